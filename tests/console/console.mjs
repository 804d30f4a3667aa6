// The console in a real browser. Usage:
//
//   node tests/console/console.mjs URL_WITH_TOKEN [FOLDER_FOR_SCREENSHOTS]
//
// against `cargo run --example console_preview` (or a demo with calls coming in). Needs playwright-core
// (npm) and Chromium (CHROMIUM=path, default /usr/bin/chromium). Exits 1 with what was wrong.

import { chromium } from "playwright-core";

const [url, folder] = process.argv.slice(2);
const origin = new URL(url).origin;
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync"],
});
const faults = [];
let checks = 0;

function check(isTrue, words) {
  checks += 1;
  console.log(`${isTrue ? "ok  " : "FAIL"} ${words}`);
  if (!isTrue) faults.push(words);
}

async function page(width, height, colorScheme = "light") {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme });
  const made = await context.newPage();
  made.on("pageerror", (error) => check(false, `script error: ${error.message}`));
  made.on("console", (message) => {
    if (/Content.Security.Policy|Refused to/i.test(message.text())) check(false, `blocked: ${message.text()}`);
  });
  made.on("request", (request) => {
    if (!request.url().startsWith(origin) && !request.url().startsWith("about:")) check(false, `asked elsewhere: ${request.url()}`);
  });
  return made;
}

const shot = async (of, name) => {
  if (folder) await of.screenshot({ path: `${folder}/${name}.png` });
};

try {
  const desk = await page(1280, 800);
  await desk.goto(origin);
  await desk.waitForSelector("#signin:not([hidden])");
  await shot(desk, "sign-in");
  await desk.click("#token-door summary");
  await desk.fill("#token", "rw_wrong");
  await desk.click("#token-form button");
  await desk.waitForSelector("#signin-problem:not([hidden])");
  check((await desk.textContent("#signin-problem")) === "This is not the token.", "a wrong token is refused in words");
  await desk.goto("about:blank");
  await desk.goto(url);
  await desk.waitForSelector("#desk:not([hidden])");
  check(!desk.url().includes("token"), "the token is gone from the address");
  check((await desk.evaluate(() => document.cookie)) === "", "scripts cannot read the session");

  // Some calls are never answered: wait for one that was listened to and then judged.
  const changed = await desk.waitForFunction(() => {
    const waiting = (window.waiting ??= new Map());
    for (const card of document.querySelectorAll('.card:not([data-state="ended"])')) {
      const words = card.querySelector(".light:nth-child(2) .is").textContent;
      const clock = card.querySelector(".clock").textContent;
      const before = waiting.get(card.dataset.id);
      if (words === "Listening…" && !before) waiting.set(card.dataset.id, clock);
      if (words !== "Listening…" && before && before !== clock) return card.dataset.id;
    }
    return null;
  }, null, { timeout: 120000, polling: 200 });
  const id = await changed.jsonValue();
  const card = desk.locator(`.card[data-id="${id}"]`);
  check(true, `a voice light changed from "Listening…" to "${await card.locator(".light .is").nth(1).textContent()}" without a reload`);
  check((await card.locator(".chart rect").count()) > 0, "evidence is drawn");
  check((await desk.locator(".card .light .of").allTextContents()).every((of, place) => of === ["Number", "Voice"][place % 2]), "two lights on every card, never one");
  await shot(desk, "live");

  await card.focus();
  await desk.keyboard.press("u");
  await desk.waitForSelector(`.card[data-id="${id}"] [data-verdict="unsure"][aria-pressed="true"]`);
  check(true, "one key reports a call");
  await desk.keyboard.press("w");
  await desk.waitForSelector("dialog[open] .why-body");
  const why = await desk.textContent("#why");
  check(/What was found/.test(why) && /Who signed/.test(why) && /How it went/.test(why), "why explains the call");
  await shot(desk, "why");
  await desk.keyboard.press("Escape");
  check((await desk.locator("dialog[open]").count()) === 0, "Escape closes it");

  await card.focus();
  await desk.keyboard.press("h");
  check((await card.locator(".hang-up").textContent()) === "Press again", "hanging up asks once");
  await desk.keyboard.press("h");
  await desk.waitForSelector(`.card[data-id="${id}"][data-state="ended"]`, { timeout: 15000 });
  check(true, "the second press ends the call");
  await desk.waitForFunction(() => document.querySelector("#history .said .chip")?.textContent === "Unsure", null, { timeout: 10000 });
  check(true, "the ended call is in the history with what was said");

  const rows = await desk.locator("#history tr").count();
  await desk.selectOption("#filters [name=label]", "forged");
  await desk.waitForFunction((all) => document.querySelectorAll("#history tr").length < all, rows);
  check((await desk.locator("#history tr td.label").allTextContents()).every((label) => label === "Forged"), "the filter narrows the history");
  await desk.selectOption("#filters [name=label]", "");
  await desk.waitForFunction((all) => document.querySelectorAll("#history tr").length >= all, rows);

  for (const [name, width, height, scheme] of [["phone", 390, 844, "light"], ["dark", 1280, 800, "dark"], ["phone-dark", 390, 844, "dark"]]) {
    const other = await page(width, height, scheme);
    await other.goto(url);
    await other.waitForSelector(".card");
    await other.waitForTimeout(800);
    check(await other.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth), `${name}: nothing sticks out sideways`);
    await shot(other, name);
    await other.locator(".bar").nth(1).scrollIntoViewIfNeeded();
    await other.evaluate(() => window.scrollTo(0, document.querySelector("#history-title").getBoundingClientRect().top + window.scrollY - 70));
    await shot(other, `${name}-history`);
    await other.locator("#history .who button").first().click();
    await other.waitForSelector("dialog[open] .why-body");
    await shot(other, `${name}-why`);
    await other.context().close();
  }

  // A lost connection is seen, and caught up with.
  await desk.context().setOffline(true);
  await desk.evaluate(() => fetch("/healthz").catch(() => null));
  await desk.context().setOffline(false);
  await desk.waitForSelector('#connection[data-state="on"]', { timeout: 20000 });
  check(true, "the stream is live");

  await desk.click("#leave");
  await desk.waitForSelector("#signin:not([hidden])");
  await desk.reload();
  await desk.waitForSelector("#signin:not([hidden])");
  check((await desk.locator(".card").count()) === 0, "signed out is signed out");
  await desk.goto(`${origin}/docs`);
  await desk.waitForSelector(".operation");
  check((await desk.locator(".operation").count()) > 10, "the API is listed");
} catch (error) {
  faults.push(error.message);
  console.log(`FAIL ${error.message}`);
} finally {
  await browser.close();
}
console.log(`${checks} checks, ${faults.length} faults`);
process.exit(faults.length > 0 ? 1 : 0);
