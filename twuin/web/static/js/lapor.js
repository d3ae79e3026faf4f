// What a script adds to a page that works without one: the phone's position, a tap without a round trip, a
// smaller photo.

const form = document.querySelector("form.report");
const field = (name) => form.elements.namedItem(name);

function setPlace(lon, lat) {
  field("lon").value = lon.toFixed(6);
  field("lat").value = lat.toFixed(6);
}

const here = form.querySelector(".here");
const said = document.getElementById("here-said");
if (navigator.geolocation && window.isSecureContext) {
  here.hidden = false;
  document.getElementById("here").addEventListener("click", () => {
    said.textContent = said.dataset.asking;
    navigator.geolocation.getCurrentPosition(
      (found) => {
        const { longitude, latitude, accuracy } = found.coords;
        setPlace(longitude, latitude);
        said.textContent = said.dataset.found.replace("{n}", String(Math.max(5, Math.round(accuracy))));
        drawPin(longitude, latitude);
      },
      () => {
        said.textContent = said.dataset.refused;
      },
      { enableHighAccuracy: true, timeout: 20000, maximumAge: 60000 },
    );
  });
}

const map = form.querySelector(".street-map");
const image = map?.querySelector("input");
function drawPin(lon, lat) {
  if (image) image.src = `${image.src.split("?")[0]}?lon=${lon.toFixed(6)}&lat=${lat.toFixed(6)}`;
}
if (image) {
  const [west, north, east, south] = JSON.parse(map.dataset.corners);
  image.addEventListener("click", (event) => {
    if (!event.isTrusted || event.detail === 0) return; // by keyboard there is no place: the server is asked
    event.preventDefault();
    const box = image.getBoundingClientRect();
    const lon = west + ((event.clientX - box.left) / box.width) * (east - west);
    const lat = north + ((event.clientY - box.top) / box.height) * (south - north);
    setPlace(lon, lat);
    drawPin(lon, lat);
  });
}

// A photo of 5 MB takes a minute on a poor line; 1280 pixels of it are all that is kept anyway.
const photo = field("photo");
photo.addEventListener("change", async () => {
  const [file] = photo.files;
  if (!file || !file.type.startsWith("image/") || !window.createImageBitmap || !window.DataTransfer) return;
  try {
    const picture = await createImageBitmap(file, { imageOrientation: "from-image" });
    const shrink = Math.min(1, 1280 / Math.max(picture.width, picture.height));
    const canvas = document.createElement("canvas");
    canvas.width = Math.round(picture.width * shrink);
    canvas.height = Math.round(picture.height * shrink);
    canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
    const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.8));
    if (!blob || blob.size >= file.size || photo.files[0] !== file) return;
    const held = new DataTransfer();
    held.items.add(new File([blob], "photo.jpg", { type: "image/jpeg" }));
    photo.files = held.files;
  } catch {
    // The server looks at the photo as it is.
  }
});

// One tap sends once: a second one would only wait longer.
form.addEventListener("submit", () => {
  setTimeout(() => {
    for (const button of form.querySelectorAll("button")) button.disabled = true;
  });
});
window.addEventListener("pageshow", () => {
  for (const button of form.querySelectorAll("button")) button.disabled = false;
});
