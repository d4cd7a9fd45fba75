// Speaking with the service: signing in, taking, undoing, handing in.

import { language } from "./words.js";

export class Offline extends Error {}
export class SignedOut extends Error {}
export class Refused extends Error {
  constructor(problem) {
    super(problem.detail);
    this.problem = problem;
  }
}

// The token outlives a reload of this tab and nothing else; the secret only this page.
let token = sessionStorage.getItem("token"), credential = null;

export const isSignedIn = () => token !== null;

export async function signIn(clientId, secret) {
  const form = new URLSearchParams({ grant_type: "client_credentials", client_id: clientId, client_secret: secret });
  const answer = await send("/v1/oauth/token", { method: "POST", body: form });
  if (!answer.ok) throw new Refused(await answer.json());
  token = (await answer.json()).access_token;
  sessionStorage.setItem("token", token);
  credential = [clientId, secret];
}

export function signOut() {
  token = credential = null;
  sessionStorage.removeItem("token");
}

export const ownTill = () => call("/v1/merchant/till");
export const lookUp = (code) => call(`/v1/merchant/vouchers/${code}`);
export const undo = (code, key) => call(`/v1/merchant/vouchers/${code}/consumption/undo`, undefined, key);
export const handIn = (scans) =>
  call("/v1/merchant/scans", { sent_at: new Date().toISOString(), scans }, null);

export async function voucherKeys() {
  const answer = await send("/.well-known/voucher-keys.json", {});
  if (!answer.ok) throw new Offline();
  return (await answer.json()).keys;
}

export async function take(code, valueFen, billFen, key) {
  // With one key for both tries: what was taken by the first is not taken twice.
  const body = { ...(valueFen === null ? {} : { value_fen: valueFen }), ...(billFen === null ? {} : { bill_fen: billFen }) };
  const once = () => call(`/v1/merchant/vouchers/${code}/consumption`, body, key);
  try {
    return await once();
  } catch (error) {
    if (!(error instanceof Offline) || !navigator.onLine) throw error;
    return once();
  }
}

async function call(address, body, key) {
  if (token === null) throw new SignedOut();
  const writes = key !== undefined;
  const headers = { Authorization: `Bearer ${token}`, "Accept-Language": language.now };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (key) headers["Idempotency-Key"] = key;
  const request = { method: writes ? "POST" : "GET", headers, body: body === undefined ? undefined : JSON.stringify(body) };
  const answer = await send(address, request);
  if (answer.status === 401) {
    if (credential === null) {
      signOut();
      throw new SignedOut();
    }
    const [clientId, secret] = credential;
    await signIn(clientId, secret);
    return call(address, body, key);
  }
  if (answer.status >= 500) throw new Offline();
  const said = await answer.json();
  if (!answer.ok) throw new Refused(said);
  return said;
}

async function send(address, request) {
  try {
    // No cookies: and a 401 must not open the browser's own dialog.
    return await fetch(address, { ...request, cache: "no-store", credentials: "omit", signal: AbortSignal.timeout(8000) });
  } catch {
    throw new Offline();
  }
}
