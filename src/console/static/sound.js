// A gentle sound when a call gets worse, and at nothing else. It can be turned off; this browser remembers that.

import { text } from "./dom.js";

const KEPT = "ringward-sound";
const WORDS = { on: "Sound on", off: "Sound off" };
/** Two soft tones, the second one lower: Hz, and when they begin (seconds). */
const TONES = [[523, 0], [392, 0.16]];
const LASTS = 0.32;
const LOUDNESS = 0.05;

let isOn = true;
let context = null;

export function start(button) {
  isOn = kept() !== "off";
  const say = () => text(button, isOn ? WORDS.on : WORDS.off);
  say();
  button.addEventListener("click", () => {
    isOn = !isOn;
    keep(isOn ? "on" : "off");
    say();
    if (isOn) worse();
  });
  // A browser lets a page sound once somebody has touched it.
  for (const event of ["pointerdown", "keydown"]) document.addEventListener(event, () => context?.resume(), { passive: true });
}

export function worse() {
  if (!isOn || !window.AudioContext) return;
  context ??= new window.AudioContext();
  const now = context.currentTime;
  for (const [frequency, after] of TONES) {
    const tone = context.createOscillator();
    const volume = context.createGain();
    tone.frequency.value = frequency;
    volume.gain.setValueAtTime(0, now + after);
    volume.gain.linearRampToValueAtTime(LOUDNESS, now + after + 0.03);
    volume.gain.linearRampToValueAtTime(0, now + after + LASTS);
    tone.connect(volume).connect(context.destination);
    tone.start(now + after);
    tone.stop(now + after + LASTS);
  }
}

// A browser that keeps nothing for us has the sound on.
function kept() {
  try {
    return localStorage.getItem(KEPT);
  } catch {
    return null;
  }
}

function keep(value) {
  try {
    localStorage.setItem(KEPT, value);
  } catch {
    // For this page it counts all the same.
  }
}
