/* model.S: the file as it is. */
    .section .model, "a"
    .balign 64
    .incbin MODEL_FILE
