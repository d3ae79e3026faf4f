// Photos made small on the phone, before they are kept: a tenth of the bytes, and without what the camera wrote
// into them.

const EDGE = 1600;
const THUMB = 240;
const QUALITY = 0.8;

/** A photo of the camera as it is kept and sent: {blob, thumb}. Throws for what is no picture. */
export async function shrink(file) {
  const image = await read(file);
  try {
    const blob = await draw(image, EDGE, QUALITY);
    const thumb = await draw(image, THUMB, 0.7);
    return { blob, thumb };
  } finally {
    image.close?.();
  }
}

async function read(file) {
  if (self.createImageBitmap) {
    try {
      return await createImageBitmap(file, { imageOrientation: "from-image" });
    } catch {
      // some phones read with <img> what they do not read here
    }
  }
  const url = URL.createObjectURL(file);
  try {
    const image = new Image();
    image.src = url;
    await image.decode();
    return image;
  } finally {
    URL.revokeObjectURL(url);
  }
}

function draw(image, edge, quality) {
  const [w, h] = [image.width, image.height];
  const scale = Math.min(1, edge / Math.max(w, h));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(w * scale));
  canvas.height = Math.max(1, Math.round(h * scale));
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff"; // behind what is transparent
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("no picture"))), "image/jpeg", quality);
  });
}
