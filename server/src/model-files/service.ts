/** Reading, checking and converting the files of models: what the rest of the platform uses of this folder. */
export {
  type AdapterDescription,
  type AdapterFacts,
  checkAdapter,
  convertAdapter,
} from "./adapters/adapter.ts";
export { type ConvertOptions, convertToGguf } from "./convert/convert.ts";
export { ModelFileError } from "./errors.ts";
export type { WriteOptions } from "./gguf/file.ts";
export { inspect, type ModelFacts } from "./inspect.ts";
