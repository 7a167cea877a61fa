/** The benchmark of the control plane. */
import type { Goal } from "../report.ts";
import { type ColdStartOptions, measureColdStart } from "./cold-start.ts";
import { type ListingOptions, measureListing } from "./listing.ts";
import { type LoraOptions, measureLora } from "./lora.ts";
import { measureScale, type ScaleOptions } from "./scale.ts";

export interface ControlOptions {
  coldStart: ColdStartOptions;
  scale: ScaleOptions;
  lora: LoraOptions;
  listing: ListingOptions;
}

export async function runControl(options: ControlOptions): Promise<{ results: unknown; goals: Goal[] }> {
  const coldStart = await measureColdStart(options.coldStart);
  const scale = await measureScale(options.scale);
  const lora = await measureLora(options.lora);
  const listing = await measureListing(options.listing);
  const parts = { coldStart, scale, lora, listing };
  return {
    results: Object.fromEntries(Object.entries(parts).map(([name, { results }]) => [name, results])),
    goals: Object.values(parts).flatMap(({ goals }) => goals),
  };
}
