/** The number formats of llama.cpp: what tensors are stored in, and the mixtures of them that models are known by. */

/** A format packs `elements` numbers into `bytes`. */
export interface TensorType {
  readonly elements: number
  readonly bytes: number
}

const one = (bytes: number): TensorType => ({ elements: 1, bytes })
const of32 = (bytes: number): TensorType => ({ elements: 32, bytes })
const of64 = (bytes: number): TensorType => ({ elements: 64, bytes })
const of256 = (bytes: number): TensorType => ({ elements: 256, bytes })

/** By `ggml_type`. The numbers that are missing were given up (4, 5, 31 to 33, 36 to 38) or are not yet known here. */
export const tensorTypes: Readonly<Record<number, TensorType>> = {
  0: one(4), // F32
  1: one(2), // F16
  2: of32(18), // Q4_0
  3: of32(20), // Q4_1
  6: of32(22), // Q5_0
  7: of32(24), // Q5_1
  8: of32(34), // Q8_0
  9: of32(36), // Q8_1
  10: of256(84), // Q2_K
  11: of256(110), // Q3_K
  12: of256(144), // Q4_K
  13: of256(176), // Q5_K
  14: of256(210), // Q6_K
  15: of256(292), // Q8_K
  16: of256(66), // IQ2_XXS
  17: of256(74), // IQ2_XS
  18: of256(98), // IQ3_XXS
  19: of256(50), // IQ1_S
  20: of32(18), // IQ4_NL
  21: of256(110), // IQ3_S
  22: of256(82), // IQ2_S
  23: of256(136), // IQ4_XS
  24: one(1), // I8
  25: one(2), // I16
  26: one(4), // I32
  27: one(8), // I64
  28: one(8), // F64
  29: of256(56), // IQ1_M
  30: one(2), // BF16
  34: of256(54), // TQ1_0
  35: of256(66), // TQ2_0
  39: of32(17), // MXFP4
  40: of64(36), // NVFP4
  41: { elements: 128, bytes: 18 }, // Q1_0
  42: of64(18) // Q2_0
}

/** By `general.file_type` (`llama_ftype`): the name that a model of mostly this format goes by. */
const quantizations: Readonly<Record<number, string>> = {
  0: "F32",
  1: "F16",
  2: "Q4_0",
  3: "Q4_1",
  7: "Q8_0",
  8: "Q5_0",
  9: "Q5_1",
  10: "Q2_K",
  11: "Q3_K_S",
  12: "Q3_K_M",
  13: "Q3_K_L",
  14: "Q4_K_S",
  15: "Q4_K_M",
  16: "Q5_K_S",
  17: "Q5_K_M",
  18: "Q6_K",
  19: "IQ2_XXS",
  20: "IQ2_XS",
  21: "Q2_K_S",
  22: "IQ3_XS",
  23: "IQ3_XXS",
  24: "IQ1_S",
  25: "IQ4_NL",
  26: "IQ3_S",
  27: "IQ3_M",
  28: "IQ2_S",
  29: "IQ2_M",
  30: "IQ4_XS",
  31: "IQ1_M",
  32: "BF16",
  33: "Q4_0_4_4",
  34: "Q4_0_4_8",
  35: "Q4_0_8_8",
  36: "TQ1_0",
  37: "TQ2_0",
  38: "MXFP4",
  39: "NVFP4",
  40: "Q1_0",
  41: "Q2_0"
}

/** The quantization of a `general.file_type`; `null` where the file tells none, or one that is not known here. */
export const quantizationOf = (file_type: number | undefined): string | null =>
  file_type === undefined ? null : (quantizations[file_type] ?? null)
