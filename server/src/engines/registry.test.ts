import { describe, expect, it } from "vitest";
import { serverEngine } from "./registry.ts";

describe("the server engine", () => {
  it("accepts every feature that settings may list", async () => {
    for (const feature of serverEngine.features) {
      const engine = serverEngine.create({
        baseUrl: "http://127.0.0.1:1/v1",
        upstreamModel: "m",
        features: [feature],
      });
      await engine.close();
    }
    expect(serverEngine.features.length).toBeGreaterThan(0);
  });

  it("takes a GGUF file only if the command has the placeholder {gguf}", () => {
    expect(serverEngine.weightsFormat(["llama-server", "-m", "{gguf}"])).toBe("gguf");
    expect(serverEngine.weightsFormat(["vllm", "serve", "{model}"])).toBe("upload");
  });
});
