/* mote_features.h: what a build has. All of it, unless told otherwise: -DMOTE_SMALL starts from a
 * Llama-type model in q8 with q8 keys and values and nothing else, and -DMOTE_NAME=1 (or 0) adds
 * (or leaves out) one feature. What a build lacks it refuses with MOTE_ERR_UNSUPPORTED; it never
 * gives other bits. docs/embedding.md tells what each costs. */
#ifndef MOTE_FEATURES_H
#define MOTE_FEATURES_H

#ifdef MOTE_SMALL
#define MOTE_FEATURE 0
#else
#define MOTE_FEATURE 1
#endif

/* Weights: 4-bit codes; GGUF's q4_0 and q4_1; f32, f16 and bf16 matrices. q8 is always there. */
#ifndef MOTE_TYPE_Q4
#define MOTE_TYPE_Q4 MOTE_FEATURE
#endif
#ifndef MOTE_TYPES_GGUF
#define MOTE_TYPES_GGUF MOTE_FEATURE
#endif
#ifndef MOTE_TYPES_FLOAT
#define MOTE_TYPES_FLOAT MOTE_FEATURE
#endif
/* Keys and values in f32 and f16 (MOTE_TYPES_FLOAT too). q8 is always there. */
#ifndef MOTE_KV_FLOAT
#define MOTE_KV_FLOAT MOTE_FEATURE
#endif
/* Layers: LayerNorm, GELU, norms after a part, soft caps, learned positions (GPT-2, Gemma
 * ...); experts; latent attention. */
#ifndef MOTE_LAYER_KINDS
#define MOTE_LAYER_KINDS MOTE_FEATURE
#endif
#ifndef MOTE_EXPERTS
#define MOTE_EXPERTS MOTE_FEATURE
#endif
#ifndef MOTE_LATENT
#define MOTE_LATENT MOTE_FEATURE
#endif
/* Models that read: embeddings, scores. */
#ifndef MOTE_ENCODERS
#define MOTE_ENCODERS MOTE_FEATURE
#endif
/* More than one thread. */
#ifndef MOTE_THREADS
#define MOTE_THREADS MOTE_FEATURE
#endif
/* The sampler beside greedy choice: penalties and logit biases; top-k 0 (sorting all). */
#ifndef MOTE_PENALTIES
#define MOTE_PENALTIES MOTE_FEATURE
#endif
#ifndef MOTE_SORT_ALL
#define MOTE_SORT_ALL MOTE_FEATURE
#endif
/* Tokenizers beside SentencePiece's BPE (Llama 2): normalising steps and split patterns (GPT-2,
 * Llama 3, Qwen, BERT ...); the models WordPiece and Unigram. */
#ifndef MOTE_TEXT_STEPS
#define MOTE_TEXT_STEPS MOTE_FEATURE
#endif
#ifndef MOTE_TEXT_TRIES
#define MOTE_TEXT_TRIES MOTE_FEATURE
#endif
/* Text faster, for code and memory: ids of pieces kept, the classes of ASCII at hand. */
#ifndef MOTE_FAST_TEXT
#define MOTE_FAST_TEXT MOTE_FEATURE
#endif
/* Tokens guessed ahead (mote_generate_opts.guess). */
#ifndef MOTE_GUESSES
#define MOTE_GUESSES MOTE_FEATURE
#endif
/* What a pass shows of itself: mote_hooks.trace, .input and .stage, which without are never called;
 * what can be asked there, of layers and of a sampler's choice. */
#ifndef MOTE_WATCH
#define MOTE_WATCH MOTE_FEATURE
#endif
/* CRC32C by tables of 8 KiB; without, by one of 64 bytes. */
#ifndef MOTE_FAST_CRC
#define MOTE_FAST_CRC MOTE_FEATURE
#endif
/* Errors in words. Without: mote_error.what and .name are empty; the status remains, and
 * the numbers where memory is short. */
#ifndef MOTE_ERROR_TEXTS
#define MOTE_ERROR_TEXTS MOTE_FEATURE
#endif

#endif
