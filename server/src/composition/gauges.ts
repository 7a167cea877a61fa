import type { Fleet, ReplicaStatus } from "../fleet/service.ts";
import type { UsageLedger } from "../metering/usage/service.ts";
import type { Metrics } from "../platform/telemetry/metrics.ts";

/** Registers the gauges that are read from the parts when /metrics is scraped. */
export function registerGauges(metrics: Metrics, ledger: UsageLedger, fleet: Fleet): void {
  metrics.gauge("hearth_requests_in_flight", "Requests being served.", [], () => [
    { labels: {}, value: ledger.stats().inFlight },
  ]);
  metrics.gauge("hearth_usage_pending_rows", "Usage rows on their way to the database.", [], () => [
    { labels: {}, value: ledger.stats().pendingRows },
  ]);
  const perReplica = (name: string, help: string, read: (replica: ReplicaStatus) => number): void => {
    metrics.gauge(name, help, ["replica", "model"], () =>
      fleet.status().map((replica) => ({
        labels: { replica: replica.id, model: replica.model },
        value: read(replica),
      })),
    );
  };
  perReplica("hearth_replica_ready", "1 while the replica serves.", ({ state }) =>
    state === "ready" ? 1 : 0,
  );
  perReplica(
    "hearth_replica_outstanding",
    "Generations running on the replica.",
    ({ outstanding }) => outstanding,
  );
  perReplica("hearth_replica_restarts", "Starts after the first.", ({ restarts }) => restarts);
}
