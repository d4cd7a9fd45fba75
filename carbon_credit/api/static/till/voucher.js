// Reading vouchers: codes with their check character, and the signed text of QR codes (CV2).

import { verifyAsync } from "./vendor/ed25519.js";

const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const TERMS = 29, WHOLE = 29 + 64;
const DOMAIN = new TextEncoder().encode("carbon-credit voucher CV2\0");

export class Unreadable extends Error {}

export function read(text) {
  // What was typed or scanned: {code} and, for a signed one, {terms, signature, ...}. Throws Unreadable.
  const typed = text.trim().toUpperCase();
  return typed.startsWith("CV2:") ? signed(typed) : { code: checked(plain(typed.replace(/^CV1:/, ""))), text: typed };
}

export function grouped(code) {
  return `${code.slice(0, 4)}-${code.slice(4, 8)}-${code.slice(8)}`;
}

export async function isGenuine(voucher, keys) {
  // Whether one of the programme's keys signed it: by the browser, or by a small library where it cannot.
  const key = keys.find((one) => one.kid === voucher.kid);
  if (!key) return false;
  const message = new Uint8Array([...DOMAIN, ...voucher.terms]);
  const raw = fromBase64Url(key.x);
  try {
    const imported = await crypto.subtle.importKey("raw", raw, { name: "Ed25519" }, false, ["verify"]);
    return await crypto.subtle.verify({ name: "Ed25519" }, imported, voucher.signature, message);
  } catch {
    return verifyAsync(voucher.signature, message, raw);
  }
}

export async function shortOf(id) {
  // How a QR code names its merchant: the first four octets of SHA-256 of the id.
  const octets = Uint8Array.from(id.replaceAll("-", "").match(/../g), (pair) => parseInt(pair, 16));
  return hex(new Uint8Array(await crypto.subtle.digest("SHA-256", octets)).slice(0, 4));
}

function signed(typed) {
  const octets = decoded(plain(typed.slice(4)));
  const number = octets.slice(3, 11).reduce((sum, octet) => sum * 256n + BigInt(octet), 0n);
  return {
    text: `CV2:${plain(typed.slice(4))}`,
    code: written(number),
    partial: (octets[0] & 1) === 1,
    bill: (octets[0] & 2) === 2,
    kid: hex(octets.slice(1, 3)),
    expiresAt: number32(octets, 11) * 1000,
    valueFen: octets.slice(15, 22).reduce((sum, octet) => sum * 256 + octet, 0),
    merchant: hex(octets.slice(22, 26)),
    terms: octets.slice(0, TERMS),
    signature: octets.slice(TERMS),
  };
}

function plain(text) {
  return text.replace(/[IL]/g, "1").replace(/O/g, "0").replace(/[- ]/g, "");
}

function checked(code) {
  if (code.length !== 13) throw new Unreadable();
  let number = 0n;
  for (const symbol of code.slice(0, 12)) number = number * 32n + BigInt(valueOf(symbol));
  if (number % 37n !== BigInt(valueOf(code[12]))) throw new Unreadable();
  return code;
}

function written(number) {
  if (number >> 60n || number % 37n >= 32n) throw new Unreadable();
  let code = "";
  for (let place = 11n; place >= 0n; place--) code += ALPHABET[Number((number >> (5n * place)) & 31n)];
  return code + ALPHABET[Number(number % 37n)];
}

function decoded(text) {
  if (text.length !== Math.ceil((WHOLE * 8) / 5)) throw new Unreadable();
  const octets = new Uint8Array(WHOLE);
  let held = 0, bits = 0, place = 0;
  for (const symbol of text) {
    held = ((held << 5) | valueOf(symbol)) & 0xfff;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      octets[place++] = (held >> bits) & 0xff;
    }
  }
  if (held & ((1 << bits) - 1)) throw new Unreadable();
  return octets;
}

function valueOf(symbol) {
  const found = ALPHABET.indexOf(symbol);
  if (found < 0) throw new Unreadable();
  return found;
}

function number32(octets, place) {
  return octets.slice(place, place + 4).reduce((sum, octet) => sum * 256 + octet, 0);
}

function hex(octets) {
  return Array.from(octets, (octet) => octet.toString(16).padStart(2, "0")).join("");
}

function fromBase64Url(text) {
  const plainText = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(plainText, (sign) => sign.charCodeAt(0));
}
