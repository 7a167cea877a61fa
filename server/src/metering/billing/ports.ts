import type { Prices } from "../money/service.ts";

/** As the contract has it, of accounts. */
export type SuspendState =
  | "UNSUSPENDED"
  | "FAILED_PAYMENTS"
  | "CREDIT_DEPLETED"
  | "MONTHLY_SPEND_LIMIT_EXCEEDED"
  | "BLOCKED_BY_ABUSE_RULE";

/** The accounts' own record of who is suspended, and why. */
export interface Suspensions {
  /** Those that are suspended. */
  all(): Promise<ReadonlyMap<string, SuspendState>>;
  /** False when the account was not in the state `from` any more. */
  change(accountId: string, from: SuspendState, to: SuspendState): Promise<boolean>;
}

/** What one account used of one thing in one hour. */
export interface HourlyCost {
  accountId: string;
  hour: Date;
  kind: string;
  /** A model; a deployment, where its accelerators are paid for. */
  subject: string;
  costMicros: bigint;
}

/** What the accelerators of one type cost a deployment in one hour. */
export interface AcceleratorTime {
  accountId: string;
  hour: Date;
  acceleratorType: string;
  deployment: string;
  /** Times the accelerators. */
  durationMs: bigint;
  costMicros: bigint;
}

/** Accelerators that an account pays for in a time, whether it uses them or not. */
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
  /** Those in force at any time within. */
  between(from: Date, to: Date): Promise<readonly ReservedCapacity[]>;
  /** In a fixed order. */
  acceleratorTime(accountIds: readonly string[], from: Date, to: Date): Promise<readonly AcceleratorTime[]>;
  /** What a reservation costs. */
  prices: Pick<Prices, "priceOf">;
}

/** What usage costs. */
export interface UsageCosts {
  /** @param startedAtMs decides the month. */
  onClosed(listener: (accountId: string, costMicros: bigint, startedAtMs: number) => void): void;
  /** Settles when everything that has ended before the call is in the sums. */
  flush(): Promise<void>;
  hourlyCosts(from: Date, to: Date): Promise<HourlyCost[]>;
  /** Null: there is no usage. */
  firstDay(): Promise<Date | null>;
  /** By account. */
  costs(from: Date, to: Date): Promise<ReadonlyMap<string, bigint>>;
}

/** Money that comes in. Whoever moves it knows the customer's card; the platform never does. */
export interface PaymentProvider {
  readonly name: string;
  /** Sees that the money is there. @returns the provider's name for the payment. @throws AppError when it isn't. */
  confirm(payment: { accountId: string; amountMicros: bigint; reference: string }): Promise<string>;
}

/** The operator has seen the money, and says so. */
export const manualPayments: PaymentProvider = {
  name: "manual",
  confirm: async ({ reference }) => reference,
};
