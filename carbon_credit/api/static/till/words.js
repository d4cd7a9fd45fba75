// What the page says, in Chinese and English.

const WORDS = {
  enter: ["登录收银台", "Sign in this till"],
  enterWhy: ["请输入商户为本收银台开通的凭证。密钥不会保存在手机上。", "Enter the credential that your merchant made for this till. The secret is not kept on the phone."],
  clientId: ["收银台编号", "Client id"],
  secret: ["密钥", "Secret"],
  enterDo: ["登录", "Sign in"],
  enterWrong: ["编号或密钥不正确。", "The id or the secret is wrong."],
  enterOffline: ["无网络，暂时不能登录。", "No connection: signing in has to wait."],
  again: ["登录已过期，请重新登录。", "The session is over. Sign in again."],
  leave: ["退出", "Leave"],
  cameraOn: ["打开摄像头扫码", "Scan with the camera"],
  cameraOff: ["关闭", "Stop"],
  cameraNone: ["无法使用摄像头，请输入券码。", "The camera cannot be used. Type the code."],
  type: ["或输入券码", "or type the code"],
  take: ["核销", "Take"],
  typedWrong: ["券码有误：有字符错误或缺失。", "Not a code: a character is wrong or missing."],
  howMuch: ["本次使用多少？", "How much of it?"],
  billMuch: ["应付金额是多少？", "What is the bill?"],
  left: ["余额", "Left"],
  billWrong: ["请输入顾客应付的金额。", "Enter what the customer has to pay."],
  amountWrong: ["请输入不超过余额的金额。", "Enter an amount up to what is left."],
  notNow: ["取消", "Not now"],
  next: ["下一位", "Next"],
  undo: ["撤销核销", "Undo"],
  online: ["在线", "online"],
  offline: ["离线", "offline"],
  toHandIn: ["笔离线核销待上传", "to hand in"],
  handInAfter: ["登录后上传", "sign in to hand in"],
  good: ["可用", "Good"],
  used: ["已用", "Used"],
  over: ["过期", "Expired"],
  cancelled: ["已取消", "Cancelled"],
  unknown: ["无此券", "Not found"],
  forged: ["假券", "Not ours"],
  undone: ["已撤销", "Undone"],
  locked: ["已锁定", "Locked"],
  cannot: ["不能核销", "Not possible"],
  usedUp: ["已核销", "taken"],
  rest: ["剩余", "left"],
  takenOffline: ["离线核销，联网后自动上传", "Taken offline; it is handed in when there is a connection"],
  offlineBill: ["按账单优惠的券须联网核销。若刚才已提交，联网后显示“已用”即为本次核销。", "What depends on the bill needs a connection. If it was sent just now and says used later, it was this one."],
  offlineTyped: ["无网络时只能扫描二维码。", "Without a connection only QR codes can be taken."],
  offlineNone: ["本收银台不支持离线核销，请联网后重试。", "This till takes nothing without a connection. Try again when there is one."],
  offlineOther: ["不是本商户的券。", "Not a voucher of this merchant."],
  offlineTwice: ["本收银台刚刚离线核销过该券。", "This till has just taken it."],
  offlineCeiling: ["离线核销已达上限，请先联网上传。", "The ceiling for offline vouchers is reached. Connect and hand in first."],
  validUntil: ["有效期至", "valid until"],
  lost: ["离线核销未成功", "An offline voucher did not count"],
  ownLoss: ["由商户承担", "borne by the merchant"],
  theirLoss: ["由项目承担", "borne by the programme"],
  clock: ["手机时钟不准，请校准后再离线核销。", "The phone's clock is wrong. Set it before taking vouchers offline."],
};

export const language = {
  now: navigator.language?.toLowerCase().startsWith("zh") ? "zh" : "en",
  get other() { return this.now === "zh" ? "en" : "zh"; },
};

export function word(name, tongue = language.now) {
  return WORDS[name][tongue === "zh" ? 0 : 1];
}

export function yuan(fen) {
  const sign = "¥";
  return `${sign}${Math.floor(fen / 100)}.${String(fen % 100).padStart(2, "0")}`;
}

export function fenOf(text) {
  // Whole fen from what was typed, without a float on the way. null for what is no amount.
  const found = /^\s*(\d{1,9})(?:[.,。](\d{1,2}))?\s*$/.exec(text);
  return found ? Number(found[1]) * 100 + Number((found[2] ?? "0").padEnd(2, "0")) : null;
}

export function instant(value) {
  const form = { month: "numeric", day: "numeric", hour: "2-digit", minute: "2-digit" };
  return new Date(value).toLocaleString(language.now === "zh" ? "zh-CN" : "en-GB", form);
}
