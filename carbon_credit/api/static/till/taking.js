// Taking a voucher: with a connection the service decides, without one the signature, the clock and the queue.
// Each function answers {kind, word, sum, title, why, undo} for the one large answer.

import * as service from "./service.js";
import { kept, queue } from "./store.js";
import { isGenuine, shortOf } from "./voucher.js";
import { instant, word, yuan } from "./words.js";

// What the service's refusals mean at a till: the colour and the word.
const REFUSALS = {
  "voucher-consumed": ["used", "used"],
  "voucher-cancelled": ["over", "cancelled"],
  "voucher-expired": ["over", "over"],
  "voucher-lapsed": ["over", "over"],
  "voucher-not-found": ["used", "unknown"],
  "voucher-invalid": ["used", "unknown"],
  "till-locked": ["calm", "locked"],
  "rate-limited": ["calm", "locked"],
};

export const answerOf = (problem) => {
  const [kind, name] = REFUSALS[problem.code] ?? ["used", "cannot"];
  return { kind, word: name, why: problem.detail };
};

export async function take(voucher, askAmount, askBill) {
  // `askAmount(leftFen)`, `askBill()`: the cashier's answer in fen, null for not now.
  const key = crypto.randomUUID();
  try {
    const seen = await service.lookUp(voucher.code);
    if (seen.refusal) return answerOf(seen.refusal);
    const amount = seen.partial_use ? await askAmount(seen.left_fen) : null;
    if (seen.partial_use && amount === null) return null;
    const bill = seen.needs_bill ? await askBill() : null;
    if (seen.needs_bill && bill === null) return null;
    return await takeOnline(voucher, amount, bill, key);
  } catch (error) {
    if (error instanceof service.Refused) return answerOf(error.problem);
    if (!(error instanceof service.Offline)) throw error;
    return takeOffline(voucher, askAmount, error.attempt);
  }
}

async function takeOnline(voucher, amount, bill, key) {
  try {
    const used = await service.take(voucher.code, amount, bill, key);
    const rest = used.left_fen > 0 ? `${word("rest")} ${yuan(used.left_fen)}` : "";
    return {
      kind: "good", word: "good", sum: yuan(used.value_fen), title: used.title, why: rest,
      undo: { code: voucher.code, until: Date.now() + 5 * 60_000 },
    };
  } catch (error) {
    // It may have been taken although no answer came: the same key will tell when there is a connection.
    if (error instanceof service.Offline) error.attempt = { key, amount };
    throw error;
  }
}

async function takeOffline(voucher, askAmount, attempt) {
  const refuse = (kind, name, why) => ({ kind, word: name, why: word(why) });
  if (!voucher.signature) return refuse("calm", "cannot", "offlineTyped");
  const till = await kept.get("till");
  if (!till?.offline || !till.keys) return refuse("calm", "cannot", "offlineNone");
  if (Math.abs(till.skewMs) > till.offline.clock_skew_s * 1000) return refuse("calm", "cannot", "clock");
  if (!(await isGenuine(voucher, till.keys))) return { kind: "used", word: "forged" };
  if (voucher.merchant !== (await shortOf(till.merchant_id))) return refuse("used", "unknown", "offlineOther");
  if (Date.now() >= voucher.expiresAt) {
    return { kind: "over", word: "over", why: `${word("validUntil")} ${instant(voucher.expiresAt)}` };
  }
  // How much it is worth only the service knows.
  if (voucher.bill) return refuse("calm", "cannot", "offlineBill");
  const waiting = await queue.all();
  if (!voucher.partial && waiting.some((one) => one.code === voucher.code)) return refuse("used", "used", "offlineTwice");
  const mine = waiting.filter((one) => one.code === voucher.code).reduce((sum, one) => sum + one.fen, 0);
  const left = voucher.valueFen - mine;
  if (left <= 0) return refuse("used", "used", "offlineTwice");
  const amount = attempt ? attempt.amount : voucher.partial ? await askAmount(left) : null;
  if (voucher.partial && amount === null) return null;
  const fen = amount ?? voucher.valueFen;
  const open = waiting.reduce((sum, one) => sum + one.fen, 0);
  if (open + fen > till.offline.ceiling_fen) return refuse("calm", "cannot", "offlineCeiling");
  const item = {
    id: crypto.randomUUID(), at: new Date().toISOString(), text: voucher.text, code: voucher.code, fen,
    amount, attempt: attempt?.key ?? null,
  };
  await queue.put(item);
  return {
    kind: "good", word: "good", sum: yuan(fen), why: word("takenOffline"),
    // What the service may have taken already is undone with a connection only.
    undo: attempt ? null : { queued: item.id, until: Date.now() + 5 * 60_000 },
  };
}

export async function undo(what) {
  if (what.queued) {
    await queue.remove(what.queued);
    return { kind: "calm", word: "undone" };
  }
  what.key ??= crypto.randomUUID();
  const undone = await service.undo(what.code, what.key);
  return { kind: "calm", word: "undone", sum: yuan(undone.value_fen), title: undone.title };
}
