// The pictures of the documentation. Usage:
//
//   node tests/console/pictures.mjs URL_WITH_TOKEN docs/images
//
// against `cargo run --example console_preview`, whose calls are made up: nobody's number is in a picture. Needs
// playwright-core (npm) and Chromium (CHROMIUM=path, default /usr/bin/chromium).

import { chromium } from "playwright-core";

const [url, folder] = process.argv.slice(2);
const origin = new URL(url).origin;
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });
try {
  const context = await browser.newContext({ viewport: { width: 1280, height: 857 } });
  const page = await context.newPage();
  const shot = (name) => page.screenshot({ path: `${folder}/${name}.png` });
  await page.goto(url);
  // Four calls in the middle of things, the voice of one of them judged.
  await page.waitForFunction(() => [...document.querySelectorAll(".card .light .is")].some((light) => light.textContent === "Likely synthetic"), null, { timeout: 60000 });
  await page.waitForSelector("#history tr");
  await shot("console");
  await page.locator("#history tr", { hasText: "Forged" }).locator("button").first().click();
  await page.waitForSelector("dialog[open] .why-body");
  await page.waitForTimeout(300);
  await shot("why");
  await page.goto(`${origin}/overview`);
  await page.waitForFunction(() => document.querySelector("#progress").textContent === "" && document.querySelectorAll("#tables table").length > 0);
  await page.setViewportSize({ width: 1280, height: 1120 });
  await shot("overview");
} finally {
  await browser.close();
}
