/** The shells that `firectl completion` writes scripts for. */
export const SHELLS = ["bash", "zsh", "fish"] as const;
