# firmware.mk: the library and the test program for one device: `make firmware` calls it for each.
#   TARGET=m4f   one of the names below       MODEL=FILE   what the test program runs
#   ONE=1        of build/amalgamation/mote.c
#   FEATURES=    as in include/mote_features.h, beside -DMOTE_SMALL
TARGET ?= m4f
D ?= build/firmware/$(TARGET)
MAKEFLAGS += -rR --no-print-directory
Q := $(if $(V),,@)

FPU  := -mfloat-abi=hard
MPS2 := -DFLASH_AT=0x0 -DFLASH_BYTES=4M -DRAM_AT=0x20000000 -DRAM_BYTES=4M
CPU_m0plus    := -mcpu=cortex-m0plus
CPU_m3        := -mcpu=cortex-m3
CPU_m4f       := -mcpu=cortex-m4 $(FPU) -mfpu=fpv4-sp-d16
CPU_stm32f405 := $(CPU_m4f)
CPU_m7        := -mcpu=cortex-m7 $(FPU) -mfpu=fpv5-d16
CPU_m33       := -mcpu=cortex-m33 $(FPU) -mfpu=fpv5-sp-d16
CPU_m55       := -mcpu=cortex-m55 $(FPU)
CPU_rv32imc   := -march=rv32imc -mabi=ilp32
CPU_rv32imafc := -march=rv32imafc -mabi=ilp32f
MAP_m0plus := $(MPS2)
MAP_m3     := $(MPS2)
MAP_m4f    := $(MPS2)
MAP_m7     := $(MPS2)
MAP_stm32f405 := -DFLASH_AT=0x08000000 -DFLASH_BYTES=1M -DRAM_AT=0x20000000 -DRAM_BYTES=128K
MAP_m33    := -DFLASH_AT=0x10000000 -DFLASH_BYTES=4M -DRAM_AT=0x38000000 -DRAM_BYTES=4M
MAP_m55    := -DFLASH_AT=0x0 -DFLASH_BYTES=512K -DRAM_AT=0x31000000 -DRAM_BYTES=4M \
              -DMODEL_AT=0x28000000 -DMODEL_IN=MODEL
MAP_rv32imc   := -DFLASH_AT=0x80000000 -DFLASH_BYTES=4M -DRAM_AT=0x80800000 -DRAM_BYTES=4M
MAP_rv32imafc := $(MAP_rv32imc)
# Instructions in a tick of SysTick: 1 ns each, by the board's clock.
TICKS_m33       := -DTICKS_A=50 -DTICKS_B=1
TICKS_m55       := -DTICKS_A=125 -DTICKS_B=4
TICKS_stm32f405 := -DTICKS_A=125 -DTICKS_B=21
TICKS := $(or $(TICKS_$(TARGET)),-DTICKS_A=40 -DTICKS_B=1)

ifneq ($(filter rv32%,$(TARGET)),)
CROSS := riscv64-unknown-elf-
CPU   := $(CPU_$(TARGET)) -misa-spec=2.2 -mstrict-align
BOARD := tests/firmware/board_riscv.c
START := start
else
CROSS := arm-none-eabi-
CPU   := $(CPU_$(TARGET)) -mthumb -mno-unaligned-access
LINK  := -Wl,--no-enum-size-warning
BOARD := tests/firmware/board_arm.c
START := reset
endif
CC := $(CROSS)gcc
FEATURES ?= -DMOTE_TYPE_Q4=1 -DMOTE_TEXT_STEPS=1
N_CTX    ?= 256
ARENA_BYTES ?= 112000
OPT      ?= -Os -fno-move-loop-invariants
# Products and attention are worth -O2; a build for size leaves them at -Os.
KERNEL_OPT ?= -O2 -fmove-loop-invariants -fno-schedule-insns
CHOSEN := $(CROSS) $(CPU) $(FEATURES) $(OPT) / $(KERNEL_OPT) / $(N_CTX) $(ARENA_BYTES)

CFLAGS = -std=gnu11 $(CPU) $(OPT) -g -ffreestanding -ffunction-sections -fdata-sections \
    -fno-tree-loop-distribute-patterns -ffp-contract=off -fno-math-errno -fno-trapping-math \
    -fno-short-enums -Wall -Wextra -Wshadow -Wconversion -Wdouble-promotion -Wstrict-prototypes \
    -Wmissing-prototypes -Wvla -Wundef -fstack-usage -fcallgraph-info=su \
    -DMOTE_SMALL -DMOTE_FIXED_KERNELS=1 $(FEATURES) -Itests/firmware/libc -I. $(WERROR)
LIB := $(wildcard kernels/cortexm/*.c) kernels/ref/dequant_ref.c kernels/ref/matmul_float_ref.c \
    kernels/ref/matmul_quant_ref.c kernels/ref/values_ref.c $(filter-out %_posix.c, \
    $(wildcard loader/*.c)) $(filter-out tokenizer/template%,$(wildcard tokenizer/*.c)) \
    $(filter-out %_posix.c model/tiers.c model/self_test.c,$(wildcard model/*.c))
ifdef ONE # the amalgamation instead
LIB := build/amalgamation/mote.c
endif
TEST := tests/firmware/main.c $(BOARD) tests/firmware/libc/mem.c
KERNELS := tests/firmware/kernels.c $(BOARD) tests/firmware/libc/mem.c
objs = $(patsubst %.c,$(D)/%.o,$(1))

all: $(D)/libmote.a $(if $(MODEL),$(D)/test.elf)

$(D)/kernels/%.o: OPT += $(KERNEL_OPT)
$(D)/kernels/ref/%.o: OPT += -Os
$(D)/tests/%.o: FEATURES += $(TICKS) -DN_CTX=$(N_CTX) -DARENA_BYTES=$(ARENA_BYTES)
$(D)/%.o: %.c $(D)/chosen
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

$(D)/libmote.a: $(call objs,$(LIB))
	@rm -f $@
	$(Q)$(CROSS)ar rcsD $@ $^

.PHONY: always
$(D)/chosen: always # other flags than last time: everything again
	@mkdir -p $(@D)
	@echo '$(CHOSEN)' | cmp -s - $@ || echo '$(CHOSEN)' > $@

$(D)/model.o: tests/firmware/model.S $(MODEL) always # the name may be of another model
	$(Q)$(CC) $(CPU) -DMODEL_FILE='"$(MODEL)"' -c -o $@ $<

$(D)/link.ld: tests/firmware/link.ld.in
	$(Q)$(CC) -E -P -x c $(MAP_$(TARGET)) $(if $(findstring MODEL_AT,$(MAP_$(TARGET))),-DMODEL_BYTES=8M, \
	    -DMODEL_AT=0xf0000000 -DMODEL_BYTES=64 -DMODEL_IN=FLASH) -DSTART=$(START) \
	    -DSTACK_BYTES=$(or $(STACK_BYTES),4096) -o $@ $<

LINKED = $(Q)$(CC) $(CPU) -nostdlib $(LINK) -Wl,--gc-sections -Wl,-Map=$(@:.elf=.map) \
    -T $(D)/link.ld -o $@ $(filter %.o %.a,$^) -lgcc

$(D)/test.elf: $(call objs,$(TEST)) $(D)/model.o $(D)/libmote.a $(D)/link.ld
	$(LINKED)

$(D)/kernels.elf: $(call objs,$(KERNELS)) $(D)/libmote.a $(D)/link.ld
	$(LINKED)

-include $(patsubst %.o,%.d,$(call objs,$(LIB) $(TEST) $(KERNELS)))
