#!/bin/sh
# build.sh [MODEL]: bakes a model, models/story-tiny.mote unless told otherwise, and links the example
# for a Cortex-M4F (mps2-an386) with 256 KiB of flash and 128 of RAM (FLASH=4M RAM=1M: other sizes).
# FEATURES: what the model takes beyond q8 and SentencePiece (include/mote_features.h). Flags that
# matter for the bits: contraction off; for a device: small features, a constant kernel table,
# sections that the linker may drop, and -Os for the kernels too.
set -eu
cd "$(dirname "$0")/../.."
model=${1:-models/story-tiny.mote}
made=build/firmware/example
features=${FEATURES--DMOTE_TEXT_STEPS=1}
make -s -f tests/firmware/firmware.mk TARGET=m4f D=$made MODEL= KERNEL_OPT=-Os FEATURES="$features"
"${MOTE:-build/release/mote}" bake "$model" -o $made/story.c -c 256 --kv q8 --force -q
flags="-mcpu=cortex-m4 -mthumb -mno-unaligned-access -mfloat-abi=hard -mfpu=fpv4-sp-d16 -Os
-std=gnu11 -ffreestanding -ffp-contract=off -fno-short-enums -DMOTE_SMALL $features"
arm-none-eabi-gcc -E -P -x c -DFLASH_AT=0x0 -DFLASH_BYTES="${FLASH:-256K}" -DRAM_AT=0x20000000 \
    -DRAM_BYTES="${RAM:-128K}" -DMODEL_AT=0xf0000000 -DMODEL_BYTES=64 -DMODEL_IN=FLASH \
    -DSTART=reset -DSTACK_BYTES=4096 -o $made/link.ld tests/firmware/link.ld.in
# shellcheck disable=SC2086 # words
arm-none-eabi-gcc $flags -Itests/firmware/libc -I. -Iexamples/firmware -I$made -nostdlib \
    -Wl,--gc-sections -Wl,--no-enum-size-warning -T $made/link.ld -o build/example.elf \
    examples/firmware/*.c $made/story.c tests/firmware/libc/mem.c $made/libmote.a -lgcc
