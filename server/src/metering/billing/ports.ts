import type { Prices } from "../money/service.ts";

/** Values of an account's `suspendState` in the API. */
export type SuspendState =
  | "UNSUSPENDED"
  | "FAILED_PAYMENTS"
  | "CREDIT_DEPLETED"
  | "MONTHLY_SPEND_LIMIT_EXCEEDED"
  | "BLOCKED_BY_ABUSE_RULE";

/** Suspension states, stored with the accounts. */
export interface Suspensions {
  /** All suspended accounts. */
  all(): Promise<ReadonlyMap<string, SuspendState>>;
  /** Compare-and-set. @returns false when the account is no longer in the state `from`. */
  change(accountId: string, from: SuspendState, to: SuspendState): Promise<boolean>;
}

/** Cost of one subject for an account in one hour. */
export interface HourlyCost {
  accountId: string;
  hour: Date;
  kind: string;
  /** A model; for accelerator and CPU time the deployment. */
  subject: string;
  costMicros: bigint;
}

/** Time and cost of a deployment's accelerators of one type in one hour. */
export interface AcceleratorTime {
  accountId: string;
  hour: Date;
  acceleratorType: string;
  deployment: string;
  /** Summed over the accelerators. */
  durationMs: bigint;
  costMicros: bigint;
}

/** Accelerators that an account pays for during a time, whether it uses them or not. */
export interface ReservedCapacity {
  accountId: string;
  /** Full name of the reservation. */
  name: string;
  acceleratorType: string;
  count: number;
  /** Inclusive. */
  startTime: Date;
  /** Exclusive. */
  endTime: Date;
}

export interface ReservationSource {
  /** Reservations that are in force at any time in between. */
  between(from: Date, to: Date): Promise<readonly ReservedCapacity[]>;
  /** In a fixed order. */
  acceleratorTime(accountIds: readonly string[], from: Date, to: Date): Promise<readonly AcceleratorTime[]>;
  /** Prices of reservations. */
  prices: Pick<Prices, "priceOf">;
}

/** Costs of usage, from the usage ledger. */
export interface UsageCosts {
  /** Calls `listener` for each request that ends. @param startedAtMs decides the month of the cost. */
  onClosed(listener: (accountId: string, costMicros: bigint, startedAtMs: number) => void): void;
  /** Settles when all requests that ended before the call are in the sums. */
  flush(): Promise<void>;
  hourlyCosts(from: Date, to: Date): Promise<HourlyCost[]>;
  /** First day with usage; null: no usage. */
  firstDay(): Promise<Date | null>;
  /** Total cost by account. */
  costs(from: Date, to: Date): Promise<ReadonlyMap<string, bigint>>;
}

/** Collects payments. Only the provider knows the customer's card, never the platform. */
export interface PaymentProvider {
  readonly name: string;
  /**
   * Confirms that the money has arrived.
   * @returns the provider's reference of the payment.
   * @throws AppError if it has not.
   */
  confirm(payment: { accountId: string; amountMicros: bigint; reference: string }): Promise<string>;
}

/** The operator confirms payments by recording them. */
export const manualPayments: PaymentProvider = {
  name: "manual",
  confirm: async ({ reference }) => reference,
};
