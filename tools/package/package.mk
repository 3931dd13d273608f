# package.mk: what leaves the tree: shared library, installation, packages. Included by the Makefile.
#   DESTDIR, PREFIX, LIBDIR   where `make install` puts things; `make uninstall` takes them away
#   CJSON=DIR   a folder with cJSON.c, for `make static` where libcjson has no static library
# Packages come of a build of their own, build/plain, without BLAS: they need nothing but libc (and
# the program what the converter does).

ABI     := $(shell sed -n 's/^.define MOTE_ABI //p' include/mote.h)
VERSION := $(shell sed -n 's/^.define MOTE_VERSION "\(.*\)"/\1/p' include/mote.h)
SHARED  := $(B)/libmote.so.$(ABI)
PLAIN   := build/plain
plain    = +@$(MAKE) CONFIG=release BLAS=0 B=$(PLAIN) $(if $(SOUGHT),CONVERT=1)

# ---- shared library ----------------------------------------------------------------------------
# Shows what the public headers declare (their visibility), under the name of its interface.
$(B)/libmote.map:
	@mkdir -p $(@D)
	@echo 'MOTE_$(ABI) { global: mote_*; local: *; };' > $@

$(SHARED): $(call objs,$(LIB_SRC)) $(B)/libmote.map
	$(call say,ld,$@)
	$(Q)$(CC) $(OPT) -shared -Wl,-z,relro,-z,now -Wl,-soname,$(@F) -Wl,--as-needed \
	    -Wl,--version-script=$(B)/libmote.map $(LDFLAGS) -o $@ $(filter %.o,$^) \
	    $(BLAS_LIBS) -lm -lpthread

.PHONY: shared abi
shared: $(SHARED) ## the shared library

abi: ## write include/mote.abi anew; refused if MOTE_ABI would have to change
	@CC='$(CC)' python3 tools/package/abi.py write

# ---- installation ------------------------------------------------------------------------------
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
to      = $(DESTDIR)$(1)
define PC
prefix=$(PREFIX)
includedir=$(PREFIX)/include
libdir=$(LIBDIR)

Name: mote
Description: transformer inference for small language models
Version: $(VERSION)
Cflags: -I$${includedir}
Libs: -L$${libdir} -lmote
Libs.private: $(strip $(BLAS_LIBS) -lm -lpthread)
endef
export PC

INSTALLED = $(PREFIX)/bin/mote $(PREFIX)/include/mote.h $(PREFIX)/include/mote_host.h \
            $(LIBDIR)/libmote.a $(LIBDIR)/libmote.so.$(VERSION) $(LIBDIR)/libmote.so.$(ABI) \
            $(LIBDIR)/libmote.so $(LIBDIR)/pkgconfig/mote.pc $(PREFIX)/share/man/man1/mote.1 \
            $(PREFIX)/share/bash-completion/completions/mote \
            $(PREFIX)/share/zsh/site-functions/_mote \
            $(PREFIX)/share/fish/vendor_completions.d/mote.fish $(PREFIX)/share/doc/mote/LICENSE

.PHONY: install uninstall
install: all $(SHARED) ## install to DESTDIR/PREFIX (/usr/local): program, libraries, manual ...
	@mkdir -p $(sort $(dir $(addprefix $(DESTDIR),$(INSTALLED))))
	@install -m 755 $(B)/mote $(call to,$(PREFIX)/bin/mote)
	@install -m 644 include/mote.h include/mote_host.h $(call to,$(PREFIX)/include)
	@install -m 644 $(B)/libmote.a $(call to,$(LIBDIR))
	@install -m 644 $(SHARED) $(call to,$(LIBDIR)/libmote.so.$(VERSION))
	@ln -sf libmote.so.$(VERSION) $(call to,$(LIBDIR)/libmote.so.$(ABI))
	@ln -sf libmote.so.$(ABI) $(call to,$(LIBDIR)/libmote.so)
	@echo "$$PC" > $(call to,$(LIBDIR)/pkgconfig/mote.pc)
	@$(B)/mote help --man > $(call to,$(PREFIX)/share/man/man1/mote.1)
	@$(B)/mote help --completions bash > $(call to,$(PREFIX)/share/bash-completion/completions/mote)
	@$(B)/mote help --completions zsh > $(call to,$(PREFIX)/share/zsh/site-functions/_mote)
	@$(B)/mote help --completions fish > $(call to,$(PREFIX)/share/fish/vendor_completions.d/mote.fish)
	@install -m 644 LICENSE $(call to,$(PREFIX)/share/doc/mote/LICENSE)
	@chmod 644 $(addprefix $(DESTDIR),$(filter-out %/bin/mote,$(INSTALLED)))

uninstall: ## remove what install has put there
	@rm -f $(addprefix $(DESTDIR),$(INSTALLED))
	@rmdir $(call to,$(PREFIX)/share/doc/mote) 2>/dev/null || true

# ---- packages ----------------------------------------------------------------------------------
.PHONY: deb static wheel packages
deb: ## Debian packages, in build/plain/deb
	@rm -rf $(PLAIN)/deb
	$(plain) install DESTDIR=$(PLAIN)/deb/stage PREFIX=/usr \
	    LIBDIR=/usr/lib/$$($(CC) -print-multiarch)
	@tools/package/deb.sh $(PLAIN) $(ABI) $(VERSION)

static: ## a program that needs no other file: build/plain/mote-static
	$(plain) $(PLAIN)/mote-static

wheel: ## the Python package, in build/plain/wheel
	$(plain) $(PLAIN)/stripped/$(notdir $(SHARED))
	@python3 python/backend.py $(PLAIN)/stripped/$(notdir $(SHARED)) $(PLAIN)/wheel

packages: ## all of these, tried out: installed, removed, run in an empty folder
	+@for what in deb static wheel; do $(MAKE) $$what || exit 1; done
	@MOTE_BUILD=$(PLAIN) python3 tests/package/packages.py

# Debian has no static cJSON; its source is one file (cjson.sh gets it).
CJSON ?= build/cjson
ifeq ($(wildcard $(shell $(CC) -print-file-name=libcjson.a)),)
CJSON_OBJECT := $(B)/cJSON.o
endif
$(B)/cJSON.o:
	@mkdir -p $(@D)
	@test -f $(CJSON)/cJSON.c || { echo "libcjson has no static library here: run" \
	    "'tools/package/cjson.sh $(CJSON)', or give CJSON=FOLDER with its source" >&2; exit 1; }
	$(Q)$(CC) -O2 -w -fPIC -fstack-protector-strong -c -o $@ $(CJSON)/cJSON.c

$(B)/mote-static: $(CJSON_OBJECT) $(call objs,$(CLI_SRC)) $(B)/libmote.a
	$(call say,ld,$@)
	$(Q)$(CC) $(OPT) -static-pie -Wl,-z,relro,-z,now $(LDFLAGS) -o $@ $^ \
	    $(if $(CJSON_OBJECT),$(filter-out -lcjson,$(TOOL_LIBS)),$(TOOL_LIBS)) -lm -lpthread

$(B)/stripped/%: $(B)/%
	@mkdir -p $(@D)
	@strip -R .comment -o $@ $<

# The Python package as it lies in a wheel, for the tests.
$(B)/python: $(SHARED) $(wildcard python/*.py python/mote/*) include/mote.abi
	@python3 python/backend.py $(SHARED) $@ --unpacked && touch $@
