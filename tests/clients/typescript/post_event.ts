// Posts the event in the environment with types generated from openapi.yaml, and prints what became of it.
import createClient from "openapi-fetch";
import type { components, paths } from "./build/schema.js";

type EventIn = components["schemas"]["EventIn"];

declare const process: { env: Record<string, string | undefined>; exitCode?: number };

const client = createClient<paths>({
  baseUrl: process.env["BASE_URL"] ?? "",
  headers: { Authorization: `Bearer ${process.env["TOKEN"] ?? ""}` },
});

const event: EventIn = {
  id: "TS-1",
  revision: 1,
  type: "metro.ride",
  occurred_at: process.env["OCCURRED_AT"] ?? "",
  citizen: { link: { kind: "transit-card", value: "CARD-0" } },
  data: { distance_m: 8300 },
};

const { data, error } = await client.POST("/v1/events", { body: event });
if (error) {
  // The code is one of a closed list: a misspelt one does not compile.
  const unexpected: boolean = error.code !== "event-invalid";
  console.error(error.detail, unexpected);
  process.exitCode = 1;
} else {
  const grams: number = data.co2e_mg;
  console.log(JSON.stringify({ status: data.status, co2e_mg: grams }));
}
