// The page: which screen is shown, and what its buttons do.

import * as camera from "./camera.js";
import { handIn } from "./handing.js";
import * as service from "./service.js";
import { kept, queue, told } from "./store.js";
import * as taking from "./taking.js";
import { grouped, read, Unreadable } from "./voucher.js";
import { fenOf, instant, language, word, yuan } from "./words.js";

const at = (id) => document.getElementById(id);
let busy = false, undoable = null, undoTimer = 0, connected = navigator.onLine;

function speak() {
  document.documentElement.lang = language.now;
  for (const element of document.querySelectorAll("[data-word]")) element.textContent = word(element.dataset.word);
  at("language").textContent = language.now === "zh" ? "EN" : "中文";
  at("leave").textContent = word("leave");
  at("camera").textContent = word(camera.isOn() ? "cameraOff" : "cameraOn");
}

async function show() {
  const till = await kept.get("till");
  const inside = service.isSignedIn() || (!connected && Boolean(till));
  at("enter").hidden = inside;
  at("desk").hidden = !inside;
  at("leave").hidden = !inside;
  at("till-name").textContent = till?.name ?? (language.now === "zh" ? "碳普惠收银台" : "Till");
  at("till-line").textContent = till ? word(connected ? "online" : "offline") : "";
  at("till-line").classList.toggle("off", !connected);
  const waiting = await queue.all();
  at("queue").hidden = waiting.length === 0;
  at("queue").textContent =
    `${waiting.length} ${word("toHandIn")} · ${yuan(waiting.reduce((sum, one) => sum + one.fen, 0))}` +
    (service.isSignedIn() ? "" : ` · ${word("handInAfter")}`);
  const lost = await told.all();
  at("told").replaceChildren(...lost.map(toldItem));
  speak();
}

function toldItem(item) {
  const line = document.createElement("li"), head = document.createElement("b"), body = document.createElement("span");
  head.textContent = `${word("lost")} · ${yuan(item.fen)} · ${grouped(item.code)}`;
  body.textContent = `${instant(item.at)} · ${item.problem?.detail ?? ""} ${word(item.by === "programme" ? "theirLoss" : "ownLoss")}`;
  line.append(head, body);
  line.addEventListener("click", async () => { await told.remove(item.id); show(); });
  return line;
}

async function learn() {
  // Who this till is and which keys sign vouchers: kept, so that it can work without a connection.
  const before = Date.now(), till = await service.ownTill();
  const middle = (before + Date.now()) / 2;
  await kept.put("till", { ...till, keys: await service.voucherKeys(), skewMs: middle - Date.parse(till.now) });
}

async function refresh() {
  if (!service.isSignedIn()) return show();
  try {
    await learn();
    connected = true;
    await handIn();
  } catch (error) {
    if (error instanceof service.Offline) connected = false;
    else if (error instanceof service.SignedOut) at("enter-problem").textContent = word("again");
    else if (!(error instanceof service.Refused)) throw error;
  }
  return show();
}

async function taken(text) {
  if (busy || !at("answer").hidden) return;
  let voucher;
  at("code-problem").textContent = "";
  try {
    voucher = read(text);
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    at("code-problem").textContent = word("typedWrong");
    return;
  }
  busy = true;
  try {
    const answer = await taking.take(voucher, askAmount, askBill);
    if (answer) tell(answer);
    if (answer?.kind === "good") at("code").value = "";
  } catch (error) {
    if (!(error instanceof service.SignedOut)) throw error;
    at("enter-problem").textContent = word("again");
  } finally {
    busy = false;
    refresh();
  }
}

function tell(answer) {
  camera.stop(at("video"));
  document.querySelector(".camera").classList.remove("on");
  const box = at("answer");
  box.dataset.kind = answer.kind;
  at("answer-mark").textContent = { good: "✓", used: "✕", over: "⌛", calm: "•" }[answer.kind];
  at("answer-word").textContent = word(answer.word);
  at("answer-word").classList.toggle("long", word(answer.word).length > 4);
  at("answer-other").textContent = word(answer.word, language.other);
  at("answer-sum").textContent = answer.sum ?? "";
  at("answer-title").textContent = answer.title ?? "";
  at("answer-why").textContent = answer.why ?? "";
  box.hidden = false;
  offerUndo(answer.undo ?? null);
  at("next").focus();
  navigator.vibrate?.(answer.kind === "good" ? 60 : [60, 80, 60]);
}

function offerUndo(what) {
  undoable = what;
  clearInterval(undoTimer);
  const count = () => {
    const leftS = undoable ? Math.ceil((undoable.until - Date.now()) / 1000) : 0;
    at("undo").hidden = leftS <= 0;
    at("undo").textContent = `${word("undo")} ${Math.floor(leftS / 60)}:${String(leftS % 60).padStart(2, "0")}`;
  };
  count();
  if (what) undoTimer = setInterval(count, 1000);
}

const askAmount = (leftFen) => ask("howMuch", "amountWrong", leftFen);
const askBill = () => ask("billMuch", "billWrong", null);

function ask(question, wrong, leftFen) {
  const dialog = at("amount"), input = at("amount-yuan");
  at("amount-question").textContent = word(question);
  at("amount-left").textContent = leftFen === null ? "" : `${word("left")} ${yuan(leftFen)}`;
  at("amount-problem").textContent = "";
  input.value = leftFen === null ? "" : yuan(leftFen).slice(1);
  dialog.showModal();
  input.select();
  return new Promise((resolve) => {
    const done = (fen) => {
      at("amount-form").onsubmit = at("amount-not").onclick = dialog.oncancel = null;
      dialog.close();
      resolve(fen);
    };
    at("amount-form").onsubmit = (event) => {
      event.preventDefault();
      const fen = fenOf(input.value);
      if (fen === null || fen < 1 || (leftFen !== null && fen > leftFen)) at("amount-problem").textContent = word(wrong);
      else done(fen);
    };
    at("amount-not").onclick = dialog.oncancel = () => done(null);
  });
}

at("enter-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  at("enter-problem").textContent = "";
  try {
    await service.signIn(at("client-id").value.trim(), at("secret").value);
    at("secret").value = "";
    await refresh();
  } catch (error) {
    const offline = error instanceof service.Offline;
    at("enter-problem").textContent = offline ? word("enterOffline") : (error.problem?.status === 429 ? error.message : word("enterWrong"));
  }
});

at("code-form").addEventListener("submit", (event) => {
  event.preventDefault();
  taken(at("code").value);
});

at("camera").addEventListener("click", async () => {
  const box = document.querySelector(".camera");
  if (camera.isOn()) {
    camera.stop(at("video"));
    box.classList.remove("on");
  } else {
    try {
      await camera.start(at("video"), taken);
      box.classList.add("on");
    } catch {
      at("code-problem").textContent = word("cameraNone");
      at("code").focus();
    }
  }
  speak();
});

at("next").addEventListener("click", () => {
  at("answer").hidden = true;
  offerUndo(null);
  speak();
});

at("undo").addEventListener("click", async () => {
  if (busy || !undoable) return;
  busy = true;
  try {
    tell(await taking.undo(undoable));
  } catch (error) {
    if (error instanceof service.Refused) tell(taking.answerOf(error.problem));
    else at("answer-why").textContent = word("enterOffline").replace(/[,，].*/, "");
  } finally {
    busy = false;
    show();
  }
});

at("queue").addEventListener("click", refresh);
at("language").addEventListener("click", () => { language.now = language.other; show(); });
at("leave").addEventListener("click", async () => {
  service.signOut();
  if ((await queue.all()).length === 0) await kept.clear(); // what waits still has to be handed in by this till
  connected = navigator.onLine;
  show();
});
addEventListener("online", () => { connected = true; refresh(); });
addEventListener("offline", () => { connected = false; show(); });
setInterval(refresh, 30_000);
navigator.serviceWorker?.register("/till/sw.js", { scope: "/till" });
refresh();
