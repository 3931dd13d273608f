/* mote_device.h: how large the library's records are on a 32-bit device, for a build without
 * experts, latents and fast text (mote_features.h). `mote bake` makes the exact size of an arena
 * from them; the build for the device checks them. */
#ifndef MOTE_DEVICE_H
#define MOTE_DEVICE_H

#define MOTE_DEVICE_ROUND(n) (((n) + 63u) / 64u * 64u)
/* What mote_model_bytes gives there, of a model of n layers. */
#define MOTE_DEVICE_MODEL_BYTES(n) MOTE_DEVICE_ROUND(384u + 264u * (n))
/* mote_session_plan.state_bytes of a session of one thread and `batch` rows. */
#define MOTE_DEVICE_STATE_BYTES(n, batch)                                                          \
    (MOTE_DEVICE_ROUND(136u) + MOTE_DEVICE_ROUND(32u * (n)) + MOTE_DEVICE_ROUND(16u * (batch)) +   \
     MOTE_DEVICE_ROUND(108u))
#define MOTE_DEVICE_TOKENIZER_BYTES MOTE_DEVICE_ROUND(104u)

#endif
