# The only build of mote. `make help` lists the targets.
#   CONFIG=release|debug|asan|ubsan|tsan   each in its own build/CONFIG/, never needs clean
#   CONFIG=emulate  x86 tiers this machine lacks, by SIMDe; for tests only (decisions/0007)
#   CONVERT=0|1 the converter (without it nothing but libc is linked); made when cJSON and utf8proc
#               are found
#   BUILTIN=0   leave the built-in model out of the program
#   BLAS=0|1    OpenBLAS variant; used when found
#   FUZZ_CC     a clang with libFuzzer, for `make fuzz`
#   V=1         show commands

CONFIG  ?= release
B       := build/$(CONFIG)
MAKEFLAGS += -rR --no-print-directory
# Undefined: in a make inside make, which has -R from the start.
ifneq ($(filter default undefined,$(origin CC)),)
CC := cc
endif
ifneq ($(filter default undefined,$(origin AR)),)
AR := ar
endif
FUZZ_CC ?= clang
Q       := $(if $(V),,@)
say      = @printf '  %-4s %s\n' $(1) $(2)

# ---- what is on this machine -------------------------------------------------------------------
PKG     := pkg-config
ifeq ($(origin CONVERT),undefined)
CONVERT := $(shell $(PKG) --exists libcjson libutf8proc 2>/dev/null && echo 1 || echo 0)
SOUGHT  := converter
endif
BUILTIN ?= 1
STORY   := models/story-q8.mote
ifeq ($(BUILTIN)$(wildcard $(STORY)),1)
override BUILTIN := 0
ABSENT  := $(STORY)
endif
BLAS    ?= $(shell $(PKG) --exists openblas 2>/dev/null && echo 1 || echo 0)
ifeq ($(CONVERT),1)
TOOL_LIBS := $(shell $(PKG) --libs libcjson libutf8proc 2>/dev/null)
TOOL_INC  := $(shell $(PKG) --cflags libcjson libutf8proc 2>/dev/null)
endif
ifeq ($(BLAS),1)
BLAS_LIBS := $(shell $(PKG) --libs openblas)
BLAS_INC  := $(shell $(PKG) --cflags openblas)
endif
ARCH := $(firstword $(subst -, ,$(shell $(CC) -dumpmachine)))

# ---- flags -------------------------------------------------------------------------------------
OPT_release := -O2 -g
OPT_debug   := -O0 -g
OPT_asan    := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
OPT_ubsan   := -O1 -g -fsanitize=undefined -fno-sanitize-recover=all
OPT_tsan    := -O1 -g -fsanitize=thread
OPT_emulate := -O1 -g
OPT_coverage := -O1 -g --coverage
OPT_fuzz    := -O1 -gline-tables-only -fsanitize=address,undefined,float-cast-overflow \
               -fsanitize=fuzzer-no-link -fno-sanitize-recover=all -fno-omit-frame-pointer
OPT  ?= $(OPT_$(CONFIG))
WARN := -Wall -Wextra -Wshadow -Wconversion -Wdouble-promotion -Wstrict-prototypes \
        -Wmissing-prototypes -Wvla -Wundef -Wformat=2 $(WERROR)
HARDEN := $(if $(filter release,$(CONFIG)),-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2) \
          -fstack-protector-strong -fPIC
CFLAGS_ALL := -std=gnu11 $(OPT) $(WARN) $(HARDEN) -ffp-contract=off -fno-math-errno \
              -fno-trapping-math -fvisibility=hidden -ffile-prefix-map=$(CURDIR)/= -I. \
              -DMOTE_BLAS=$(BLAS) -DMOTE_CONVERT=$(CONVERT) $(CFLAGS)
LDFLAGS_ALL := $(OPT) -pie -Wl,-z,relro,-z,now $(LDFLAGS)

# Flags of one tier go to the files of that tier only; kernels are worth -O3.
KERNEL_OPT ?= -O3
AVX2       := -mavx2 -mfma -mf16c
AVXVNNI    := $(AVX2) -mavxvnni
AVX512VNNI := $(AVX2) -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni
ifneq ($(filter asan ubsan tsan fuzz,$(CONFIG)),)
# Unrolled as far as they are, these take minutes with UBSan's checks; AddressSanitizer stays.
AVXVNNI    += -O1 -fno-sanitize=undefined
AVX512VNNI += -O1 -fno-sanitize=undefined
endif
ifeq ($(CONFIG),fuzz)
# Three to nine times faster when they do not report what they compare: the dictionaries know it.
$(B)/tokenizer/%.o $(B)/cli/json.o: ISA := -O2 -fno-sanitize-coverage=trace-cmp
endif
ifeq ($(CONFIG),emulate)
AVXVNNI    := -O1 $(AVX2) -Itests/emulate -Wno-psabi
AVX512VNNI := $(AVXVNNI)
$(B)/kernels/cpu.o: ISA := -DMOTE_EMULATED_FEATURES="(MOTE_CPU_AVXVNNI | MOTE_CPU_AVX512VNNI)"
endif
$(B)/kernels/%_avx2.o: ISA := $(KERNEL_OPT) $(AVX2)
$(B)/kernels/%_avxvnni.o: ISA := $(KERNEL_OPT) $(AVXVNNI)
$(B)/kernels/%_avx512vnni.o: ISA := $(KERNEL_OPT) $(AVX512VNNI)
$(B)/kernels/ref/%.o:  ISA := $(KERNEL_OPT)
$(B)/kernels/%_neon.o: ISA := $(KERNEL_OPT)
$(B)/kernels/%_dotprod.o: ISA := $(KERNEL_OPT) -march=armv8.2-a+dotprod
$(B)/kernels/blas/%.o: ISA := $(BLAS_INC)
$(B)/bench/ladder.o: ISA := $(KERNEL_OPT)
$(B)/bench/%.o: ISA := $(BLAS_INC) $(if $(filter emulate,$(CONFIG)),-DPROBE_EMULATED=1)
$(B)/tools/convert/%.o $(B)/tests/fuzz/%.o: ISA := $(TOOL_INC) $(BLAS_INC) $(KERNEL_OPT)

# ---- sources -----------------------------------------------------------------------------------
KERNELS := $(sort $(wildcard kernels/*.c kernels/ref/*.c))
ifeq ($(ARCH),x86_64)
KERNELS += $(sort $(wildcard kernels/x86/*.c))
endif
ifneq ($(filter aarch64 arm64,$(ARCH)),)
KERNELS += $(sort $(wildcard kernels/arm/*.c))
endif
ifeq ($(BLAS),1)
KERNELS += $(sort $(wildcard kernels/blas/*.c))
endif
LIB_SRC := $(KERNELS) $(sort $(wildcard loader/*.c tokenizer/*.c model/*.c))
CLI_SRC := $(sort $(wildcard cli/*.c)) bench/probe.c
UNIT_SRC := $(sort $(wildcard tests/unit/*.c)) cli/json.c cli/digits.c
ifeq ($(CONVERT),1)
CLI_SRC  += $(sort $(wildcard tools/convert/*.c))
UNIT_SRC += $(sort $(wildcard tools/convert/*.c))
else
UNIT_SRC := $(filter-out tests/unit/test_convert%.c,$(UNIT_SRC))
endif
CHECK_SRC := $(sort $(wildcard tests/check/*.c)) bench/probe.c
# What the targets of the fuzzer call: no files of main().
FUZZ_SRC := $(filter-out tests/fuzz/replay.c tests/fuzz/engine.c,$(wildcard tests/fuzz/*.c)) \
            cli/json.c cli/stop.c tests/unit/tiny.c tests/unit/random.c $(wildcard tools/convert/*.c)
objs = $(patsubst %.c,$(B)/%.o,$(1))
DEPS := $(patsubst %.o,%.d,$(call objs,$(LIB_SRC) $(CLI_SRC) $(UNIT_SRC) $(CHECK_SRC) \
          $(FUZZ_SRC) tests/fuzz/replay.c tests/fuzz/engine.c bench/ladder.c))

.PHONY: all help deps demo test check fuzz faults coverage soak mutation analyze test-arm golden corpus asan ubsan tsan format lint clean
.PHONY: tests-built
all: need $(B)/mote $(B)/libmote.a ## build the program and the library (default)

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | \
	    awk -F'\t' '{printf "  make %-12s %s\n", $$1, $$2}'

.PHONY: need
need:
ifneq ($(ABSENT),)
	@echo "note: $(ABSENT) is not there: the program gets no built-in model"
endif
ifeq ($(CONVERT)$(SOUGHT),0converter)
	@echo "note: cJSON, utf8proc or pkg-config is missing: the program gets no converter" \
	      "('make deps' installs them)"
endif
ifeq ($(CONVERT),1)
	@$(PKG) --exists libcjson libutf8proc 2>/dev/null || { \
	  echo "cJSON, utf8proc or pkg-config is missing: run 'make deps'" \
	       "(or 'make CONVERT=0' for a mote that cannot convert)" >&2; exit 1; }
endif

deps: ## install what the build and the demo need (Debian family; elsewhere it prints the list)
	@tools/deps.sh

demo: ## get a real model, convert it, ask it a question; offline a story by the built-in one
	@tools/demo.sh

# Files that hold what was chosen and change only when that does: then what hangs on it is made anew.
$(B)/chosen: choice := BLAS=$(BLAS) CONVERT=$(CONVERT)
$(B)/chosen-builtin: choice := BUILTIN=$(BUILTIN)
$(B)/chosen $(B)/chosen-builtin: FORCE
	@mkdir -p $(@D)
	@echo '$(choice)' | cmp -s - $@ || echo '$(choice)' > $@
FORCE:

$(B)/%.o: %.c $(B)/chosen
	$(call say,cc,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(ISA) -MMD -MP -c -o $@ $<

# The known models as one C text.
$(B)/models.inc: data/models.jsonl
	@mkdir -p $(@D)
	$(Q)sed -e 's/[\\"]/\\&/g' -e 's/.*/"&\\n"/' $< > $@
$(B)/cli/registry.o: ISA := -I$(B)
$(B)/cli/registry.o: $(B)/models.inc

# The built-in model is in one object.
$(B)/cli/builtin.o: ISA := -DMOTE_BUILTIN=$(BUILTIN)
$(B)/cli/builtin.o: $(B)/chosen-builtin $(if $(filter 1,$(BUILTIN)),$(STORY))
$(B)/cli/no-builtin.o: cli/builtin.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(B)/libmote.a: $(call objs,$(LIB_SRC))
	$(call say,ar,$@)
	@rm -f $@
	$(Q)$(AR) rcsD $@ $^

# mote-bare: for the tests, as with BUILTIN=0.
$(B)/mote: $(B)/cli/builtin.o
$(B)/mote-bare: $(B)/cli/no-builtin.o
$(B)/mote $(B)/mote-bare: $(filter-out %/builtin.o,$(call objs,$(CLI_SRC))) $(B)/libmote.a
	$(call say,ld,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $(filter %.o,$^) $(B)/libmote.a $(TOOL_LIBS) $(BLAS_LIBS) -lm -lpthread

$(B)/unit: $(call objs,$(UNIT_SRC)) $(B)/libmote.a
	$(call say,ld,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(TOOL_LIBS) $(BLAS_LIBS) -lm -lpthread

$(B)/check: $(call objs,$(CHECK_SRC)) $(B)/libmote.a
	$(call say,ld,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(BLAS_LIBS) -lm -lpthread

$(B)/ladder: $(call objs,bench/ladder.c) $(B)/libmote.a
	$(call say,ld,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(BLAS_LIBS) -lm -lpthread

$(B)/replay: $(call objs,$(FUZZ_SRC) tests/fuzz/replay.c) $(B)/libmote.a
	$(call say,ld,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(TOOL_LIBS) $(BLAS_LIBS) -lm -lpthread

$(B)/fuzzer: $(call objs,$(FUZZ_SRC) tests/fuzz/engine.c) $(B)/libmote.a
	$(call say,ld,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -fsanitize=fuzzer -o $@ $^ $(TOOL_LIBS) $(BLAS_LIBS) -lm -lpthread

tests-built: all $(B)/mote-bare $(B)/unit $(B)/check $(B)/ladder $(if $(filter 1,$(CONVERT)),$(B)/replay) \
             $(if $(findstring san,$(CONFIG)),,shared $(if $(shell command -v python3),$(B)/python))

test: tests-built ## everything offline
	@tests/run.sh $(B) test

check: $(B)/check ## kernel checker: every tier against ref, ref against double, mutants
	@$(B)/check

.PHONY: ladder lesson-model
ladder: $(B)/ladder ## the 4-bit product from a plain loop to the kernels, with its speed
	@$(B)/ladder --check | tail -n 1
	@$(B)/ladder

lesson-model: $(B)/mote ## the small model of docs/lessons, in build/lesson
	@python3 tests/lessons/model.py build/lesson/abc
	@for type in f32 q8 q4; do $(B)/mote convert build/lesson/abc -o build/lesson/$$type.mote \
	    --type $$type --force || exit; done

test-arm: ## the AArch64 tiers under qemu-user, against this machine's bits
	@tests/arm.sh

.PHONY: amalgamation
amalgamation: ## the library as two files, build/amalgamation/mote.c and mote.h
	@python3 tools/amalgamate.py build/amalgamation

# The unit tests on the amalgamation; tests/amalgamation.sh makes the object.
$(B)/unit-one: $(call objs,$(UNIT_SRC)) $(B)/one/mote.o
	$(call say,ld,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(TOOL_LIBS) $(BLAS_LIBS) -lm -lpthread

.PHONY: firmware
firmware: $(B)/mote ## microcontrollers: budgets, and a model on emulated devices
	@MOTE_BUILD=$(B) python3 tests/firmware/run.py $(TARGETS)
	@MOTE_BUILD=$(B) python3 tests/firmware/reads.py

golden: tests-built ## reference models, tokenizers and real weights (GOLDENS=../shared/goldens)
	@tests/run.sh $(B) golden

corpus: tests-built ## every malformed file
	@tests/run.sh $(B) corpus

asan ubsan tsan: ## the test suite under a sanitizer
	@$(MAKE) CONFIG=$@ test

fuzz: ## every fuzz target for T seconds under ASan and UBSan (T=60 TARGETS="image hub" RUNS=9999)
	@$(MAKE) CC=$(FUZZ_CC) CONFIG=fuzz BLAS=0 build/fuzz/fuzzer
	@tests/fuzz/fuzz.sh build/fuzz/fuzzer $(or $(T),60) $(TARGETS)

faults: tests-built ## every allocation and file call fails once, kills, limits, odd surroundings
	@tests/run.sh $(B) faults

coverage: ## lines and branches that the tests take of what reads files from strangers
	@$(MAKE) CONFIG=$@ tests-built
	@tests/coverage.sh build/$@

soak: tests-built ## 100,000 generations by one process
	@MOTE_BUILD=$(B) python3 tests/soak.py --n $(or $(N),100000)

mutation: ## are seeded faults noticed? (hours)
	@python3 tests/mutation.py --cc "$(CC)" --count $(or $(N),100)

analyze: ## gcc -fanalyzer, clang-tidy and cppcheck, those that are there
	@tests/analyze.sh

format: ## lay the sources out
	@clang-format -i $$(git ls-files '*.c' '*.h' '*.inc')

lint: ## formatting, includes, sizes, symbols
	@tests/lint.sh $(B)

clean: ## remove build/
	@rm -rf build

include tools/package/package.mk

-include $(DEPS)
