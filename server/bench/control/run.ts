/** The benchmark of the control plane. */
import type { Goal } from "../report.ts";
import { type ColdStartOptions, measureColdStart } from "./cold-start.ts";
import { type ListingOptions, measureListing } from "./listing.ts";
import { measureScale, type ScaleOptions } from "./scale.ts";

export interface ControlOptions {
  coldStart: ColdStartOptions;
  scale: ScaleOptions;
  listing: ListingOptions;
}

export async function runControl(options: ControlOptions): Promise<{ results: unknown; goals: Goal[] }> {
  const coldStart = await measureColdStart(options.coldStart);
  const scale = await measureScale(options.scale);
  const listing = await measureListing(options.listing);
  return {
    results: { coldStart: coldStart.results, scale: scale.results, listing: listing.results },
    goals: [...coldStart.goals, ...scale.goals, ...listing.goals],
  };
}
