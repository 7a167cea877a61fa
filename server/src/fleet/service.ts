export { parseWeightsSource } from "./weights/source.ts";
