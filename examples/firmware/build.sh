#!/bin/sh
# build.sh: the example for a Cortex-M4F (mps2-an386). Flags that matter for the bits: contraction
# off; for a device: small features, a constant kernel table, sections that the linker may drop.
set -eu
cd "$(dirname "$0")/../.."
make -s -f tests/firmware/firmware.mk TARGET=m4f D=build/firmware/example MODEL=
flags="-mcpu=cortex-m4 -mthumb -mno-unaligned-access -mfloat-abi=hard -mfpu=fpv4-sp-d16 -Os
-std=gnu11 -ffreestanding -ffp-contract=off -fno-short-enums -DMOTE_SMALL -DMOTE_TYPE_Q4=1"
arm-none-eabi-gcc -E -P -x c -DFLASH_AT=0x0 -DFLASH_BYTES=4M -DRAM_AT=0x20000000 -DRAM_BYTES=4M \
    -DMODEL_AT=0xf0000000 -DMODEL_BYTES=64 -DMODEL_IN=FLASH -DSTART=reset -DSTACK_BYTES=4096 \
    -o build/firmware/example/link.ld tests/firmware/link.ld.in
# shellcheck disable=SC2086 # words
arm-none-eabi-gcc $flags -Itests/firmware/libc -I. -Iexamples/firmware -nostdlib -Wl,--gc-sections \
    -Wl,--no-enum-size-warning -T build/firmware/example/link.ld -o build/example.elf \
    examples/firmware/*.c tests/firmware/libc/mem.c build/firmware/example/libmote.a -lgcc
