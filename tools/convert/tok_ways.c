/* tok_ways.c: how byte-level vocabularies that come without a description are cut: by the names of
 * GGUF's tokenizer.ggml.pre. Only names whose expressions the run time has scanners for; where the
 * model's tokenizer.json is known to compose texts or to take whole entries first, that is here
 * too. Read tok_draft.h and tokenizer/split.c first. */
#include <string.h>

#include "tools/convert/tok_draft.h"

#define DEEPSEEK_LLM                                                                               \
    {TOK_STEP_FIND, TOK_FIND_LINE_END}, {TOK_STEP_FIND, TOK_FIND_CASED},                           \
        {TOK_STEP_FIND, TOK_FIND_SIGNS}, {TOK_STEP_FIND, TOK_FIND_BLANK_END},                      \
        {TOK_STEP_FIND, TOK_FIND_CJK},                                                             \
    {                                                                                              \
        TOK_STEP_DIGITS, 1                                                                         \
    }
#define DEEPSEEK_CODER                                                                             \
    {TOK_STEP_FIND, TOK_FIND_LINE_END}, {TOK_STEP_FIND, TOK_FIND_LETTERS},                         \
        {TOK_STEP_FIND, TOK_FIND_PUNCT}, {TOK_STEP_FIND, TOK_FIND_CJK},                            \
    {                                                                                              \
        TOK_STEP_DIGITS, 1                                                                         \
    }
#define DEEPSEEK3                                                                                  \
    {TOK_STEP_FIND, TOK_FIND_NUMBERS}, {TOK_STEP_FIND, TOK_FIND_CJK_KANA}, { TOK_STEP_DEEPSEEK3, 0 }
#define FALCON                                                                                     \
    {TOK_STEP_PUNCT, 1}, {TOK_STEP_GPT2, 0}, {TOK_STEP_BYTE_DIGITS, 0}, { TOK_STEP_THREE_DIGITS, 0 }
#define O200K                                                                                      \
    {                                                                                              \
        TOK_STEP_O200K, TOK_O200K_SUFFIX | TOK_O200K_DIGITS                                        \
    }

static const tok_way ways[] = {
    {" gpt-2 phi-2 jina-es jina-de jina-v2-es jina-v2-de gigachat a.x-4.0 mellum jais trillion "
     "granite-docling exaone4 ",
     0,
     0,
     {{TOK_STEP_GPT2, 0}}},
    {" roberta-bpe jina-v1-en jina-v2-code ", 0, TOK_WAY_SEP, {{TOK_STEP_GPT2, 0}}},
    {" mpt olmo modern-bert ", TOK_NFC, 0, {{TOK_STEP_GPT2, 0}}},
    {" smollm starcoder refact codeshell exaone minerva-7b mellum2 ",
     0,
     0,
     {{TOK_STEP_DIGITS, 1}, {TOK_STEP_GPT2, 0}}},
    {" command-r ", TOK_NFC, 0, {{TOK_STEP_DIGITS, 1}, {TOK_STEP_GPT2, 0}}},
    {" llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano ",
     TOK_IGNORE_MERGES,
     TOK_WAY_BOS,
     {{TOK_STEP_LLAMA3, 3}}},
    {" glm4 glm5 ", TOK_IGNORE_MERGES, 0, {{TOK_STEP_LLAMA3, 3}}},
    {" dbrx smaug-bpe chatglm-bpe cl100k ", 0, 0, {{TOK_STEP_LLAMA3, 3}}},
    {" minicpm5 ", TOK_IGNORE_MERGES, 0, {{TOK_STEP_FIND, TOK_FIND_NUMBERS}, {TOK_STEP_LLAMA3, 3}}},
    {" qwen2 deepseek-r1-qwen f2llmv2 kormo megrez ", TOK_NFC, 0, {{TOK_STEP_LLAMA3, 1}}},
    {" stablelm2 hunyuan solar-open grok-2 bailingmoe bailingmoe2 llada-moe ",
     0,
     0,
     {{TOK_STEP_LLAMA3, 1}}},
    {" gpt-4o llama4 kanana2 talkie minimax-m2 ", 0, 0, {O200K}},
    {" granite-embed-multi-97m ", TOK_IGNORE_MERGES, 0, {O200K}},
    {" tekken ", TOK_IGNORE_MERGES, TOK_WAY_BOS, {{TOK_STEP_O200K, 0}}},
    {" deepseek-llm ", 0, 0, {DEEPSEEK_LLM}},
    {" deepseek-coder ", 0, 0, {DEEPSEEK_CODER}},
    {" deepseek-v3 hunyuan-dense joyai-llm hy_v4 ", 0, 0, {DEEPSEEK3}},
    {" falcon ", 0, 0, {FALCON}},
};

const tok_way *tok_way_find(const char *name)
{
    size_t n = name ? strlen(name) : 0;
    for (size_t i = 0; n && !strchr(name, ' ') && i < sizeof ways / sizeof *ways; i++)
        for (const char *at = ways[i].names; (at = strstr(at, name)) != NULL; at++)
            if (at[-1] == ' ' && at[n] == ' ')
                return &ways[i];
    return NULL;
}
