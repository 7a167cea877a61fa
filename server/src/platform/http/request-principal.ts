/** The caller of a request. The domain that authenticates callers adds the fields by declaration merging. */
// biome-ignore lint/suspicious/noEmptyInterface: filled in by declaration merging
export interface RequestPrincipal {}
