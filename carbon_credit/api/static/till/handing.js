// Handing in the queue: what is told is kept until the cashier has seen it, and only then forgotten.

import * as service from "./service.js";
import { queue, told } from "./store.js";

const AT_ONCE = 100;
let running = null;

export function handIn() {
  // One at a time: a second call waits for the first.
  running ??= run().finally(() => { running = null; });
  return running;
}

async function run() {
  for (;;) {
    let waiting = await queue.all();
    if (waiting.length === 0) return;
    for (const item of waiting.filter((one) => one.attempt)) await settleAttempt(item);
    waiting = (await queue.all()).filter((one) => !one.attempt).slice(0, AT_ONCE);
    if (waiting.length === 0) return;
    const scans = waiting.map((one) => ({
      id: one.id, text: one.text, scanned_at: one.at, ...(one.amount === null ? {} : { value_fen: one.amount }),
    }));
    const { outcomes } = await service.handIn(scans);
    for (const outcome of outcomes) {
      if (outcome.outcome !== "consumed") {
        const item = waiting.find((one) => one.id === outcome.id);
        await told.put({ id: item.id, at: item.at, code: item.code, fen: item.fen, by: outcome.borne_by, problem: outcome.problem });
      }
      await queue.remove(outcome.id);
    }
  }
}

async function settleAttempt(item) {
  // It was sent before the connection broke. The same key gives the first answer, if there was one.
  try {
    await service.take(item.code, item.amount, null, item.attempt);
    await queue.remove(item.id);
  } catch (error) {
    if (!(error instanceof service.Refused)) throw error;
    await queue.put({ ...item, attempt: null }); // it was not taken then: the scan speaks for itself
  }
}
