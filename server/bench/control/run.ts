/** The benchmark of the control plane. */
import type { Goal } from "../report.ts";
import { type ListingOptions, measureListing } from "./listing.ts";

export interface ControlOptions {
  listing: ListingOptions;
}

export async function runControl(options: ControlOptions): Promise<{ results: unknown; goals: Goal[] }> {
  const listing = await measureListing(options.listing);
  return { results: { listing: listing.results }, goals: listing.goals };
}
