import { MEASURED_QUOTA_IDS, type MeasuredQuotaId } from "./quota-ids.ts";

/** Measures and applies one quota. The part of the platform that owns the limited resource implements it. */
export interface QuotaSource {
  /** How much of the quota the account uses now. */
  usageOf?: (accountId: string) => Promise<number>;
  /** Replaces the default maximum; null: no limit. */
  maxOf?: (accountId: string) => Promise<bigint | null>;
  /** Called with the value that the account has set; null: the maximum. */
  onSet?: (accountId: string, value: bigint | null) => Promise<void>;
}

/** By accelerator type: what the account's deployments hold or may grow to. */
export type AcceleratorSource = (accountId: string) => Promise<ReadonlyMap<string, number>>;

/** The sources of all quotas; parts that are created after the quotas register theirs. */
export class QuotaSources {
  readonly #byId = new Map<string, QuotaSource>();
  #accelerators: AcceleratorSource | null = null;

  register(id: MeasuredQuotaId, source: QuotaSource): void {
    if (this.#byId.has(id)) throw new Error(`The quota ${id} has a source already.`);
    this.#byId.set(id, source);
  }

  registerAccelerators(source: AcceleratorSource): void {
    if (this.#accelerators !== null) throw new Error("The quotas of accelerators have a source already.");
    this.#accelerators = source;
  }

  /** @throws Error naming the quotas that nobody has registered a source for: their limits would never apply. */
  assertComplete(): void {
    const missing: string[] = MEASURED_QUOTA_IDS.filter((id) => !this.#byId.has(id));
    if (this.#accelerators === null) missing.push("accelerators");
    if (missing.length > 0)
      throw new Error(`No source is registered for these quotas: ${missing.join(", ")}.`);
  }

  of(id: string): QuotaSource | undefined {
    return this.#byId.get(id);
  }

  entries(): Iterable<[id: string, source: QuotaSource]> {
    return this.#byId;
  }

  async acceleratorsOf(accountId: string): Promise<ReadonlyMap<string, number>> {
    return (await this.#accelerators?.(accountId)) ?? new Map();
  }
}
