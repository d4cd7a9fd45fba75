// The camera: by the browser's own detector where there is one, else by a library.

let stream = null, timer = 0, reader = null;

export const isOn = () => stream !== null;

export async function start(video, found) {
  stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment", width: { ideal: 1280 } } });
  video.srcObject = stream;
  await video.play();
  reader ??= await detector();
  const look = async () => {
    if (stream === null) return;
    const text = video.readyState >= 2 ? await reader(video).catch(() => null) : null;
    if (text && stream !== null) found(text);
    timer = setTimeout(look, 150);
  };
  look();
}

export function stop(video) {
  clearTimeout(timer);
  stream?.getTracks().forEach((track) => track.stop());
  stream = video.srcObject = null;
}

async function detector() {
  const formats = await globalThis.BarcodeDetector?.getSupportedFormats?.().catch(() => []);
  if (formats?.includes("qr_code")) {
    const own = new BarcodeDetector({ formats: ["qr_code"] });
    return async (video) => (await own.detect(video))[0]?.rawValue ?? null;
  }
  await script("/till/vendor/zxing-reader.js");
  ZXingWASM.prepareZXingModule({ overrides: { locateFile: () => "/till/vendor/zxing_reader.wasm" } });
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d", { willReadFrequently: true });
  return async (video) => {
    const scale = Math.min(1, 800 / Math.max(video.videoWidth, video.videoHeight));
    canvas.width = video.videoWidth * scale;
    canvas.height = video.videoHeight * scale;
    context.drawImage(video, 0, 0, canvas.width, canvas.height);
    const image = context.getImageData(0, 0, canvas.width, canvas.height);
    const results = await ZXingWASM.readBarcodes(image, { formats: ["QRCode"], maxNumberOfSymbols: 1 });
    return results[0]?.text ?? null;
  };
}

function script(address) {
  return new Promise((resolve, reject) => {
    const element = Object.assign(document.createElement("script"), { src: address, onload: resolve, onerror: reject });
    document.head.append(element);
  });
}
