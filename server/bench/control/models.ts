/** Inserts models into the database as an account could have them. */
import type postgres from "postgres";

/** The account of the installation's first key. */
export const ACCOUNT = "local";

export async function addModels(sql: postgres.Sql, rows: number): Promise<void> {
  await sql.unsafe(
    `insert into models (account_id, id, uid, display_name, kind, state, public, spec, facts, files, precisions,
        preparing, imported_from, status_code, status_message, catalog_digest, created_by, create_time, update_time, revision)
      select $1, 'model-' || i, 'uid-' || i,
        case when i % 7 = 0 then 'Llama ' else 'Model ' end || i,
        case when i % 10 = 0 then 'HF_BASE_MODEL' else 'HF_PEFT_ADDON' end,
        case when i % 20 = 1 then 'UPLOADING' else 'READY' end,
        false,
        jsonb_build_object(
          'description', repeat('some words about it ', 5), 'contextLength', 4096, 'supportsTools', i % 2 = 0,
          'baseModelDetails', jsonb_build_object('worldSize', 1, 'checkpointFormat', 'HUGGINGFACE',
            'parameterCount', ((i % 9973) * 10000000::bigint)::text, 'moe', false)),
        '{"format": "huggingface", "contextLength": 4096, "tunable": true, "serverless": false}',
        '{"config.json": 700, "model.safetensors": 269060552}', '["FP16"]',
        null, '', 'OK', '', null, 'operator',
        timestamptz '2025-01-01' + i * interval '1 second', timestamptz '2025-01-01' + i * interval '1 second', 1
      from generate_series(1, $2::int) as i`,
    [ACCOUNT, rows],
  );
  await sql.unsafe("vacuum (analyze) models");
}
