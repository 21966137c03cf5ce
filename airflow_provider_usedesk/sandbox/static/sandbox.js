"use strict";
// Keeps the parts of a page that are marked with data-live up to date, and copies commands.
// A row that did not change stays the same element, so that it keeps focus and selection.
const INTERVAL = 2000;
const sources = new WeakMap();

function remember(root) {
  for (const element of root.querySelectorAll("[id]")) sources.set(element, element.outerHTML);
}

function isKeyed(parent) {
  return parent.children.length > 0 && [...parent.children].every((child) => child.id);
}

function merge(old, fresh) {
  const oldBody = old.querySelector("tbody"), freshBody = fresh.querySelector("tbody");
  if (oldBody && freshBody && isKeyed(oldBody) && isKeyed(freshBody)) return mergeRows(oldBody, freshBody);
  if (isKeyed(old) && isKeyed(fresh)) return mergeRows(old, fresh);
  replace(old, fresh);
}

function mergeRows(old, fresh) {
  const wanted = new Set([...fresh.children].map((child) => child.id));
  for (const child of [...old.children]) if (!wanted.has(child.id)) child.remove();
  let next = old.firstElementChild;
  for (const child of [...fresh.children]) {
    const known = [...old.children].find((one) => one.id === child.id);
    if (known && sources.get(known) === child.outerHTML) {
      if (known === next) next = next.nextElementSibling;
      else old.insertBefore(known, next);
      continue;
    }
    const focused = known && focusPath(known);
    if (known === next && next) next = next.nextElementSibling;
    if (known) known.replaceWith(child);
    else old.insertBefore(child, next);
    sources.set(child, child.outerHTML);
    restoreFocus(child, focused);
  }
}

function replace(old, fresh) {
  const focused = focusPath(old);
  const source = fresh.outerHTML;
  old.replaceChildren(...fresh.childNodes);
  sources.set(old, source);
  remember(old);
  restoreFocus(old, focused);
}

function focusPath(root) {
  return root.contains(document.activeElement) ? [...root.querySelectorAll("a, button, input, select, textarea, summary, pre")].indexOf(document.activeElement) : null;
}

function restoreFocus(root, index) {
  if (index === null || index === undefined) return;
  const candidates = root.querySelectorAll("a, button, input, select, textarea, summary, pre");
  (candidates[index] || document.getElementById("main")).focus({ preventScroll: true });
}

function anchor() {
  if (window.scrollY === 0) return () => {};
  const rows = [...document.querySelectorAll("[data-live] [id]")];
  const row = rows.find((one) => one.getBoundingClientRect().top >= 0);
  if (!row) return () => {};
  const top = row.getBoundingClientRect().top;
  return () => {
    const same = document.getElementById(row.id);
    if (same) window.scrollBy(0, same.getBoundingClientRect().top - top);
  };
}

async function refresh() {
  if (document.hidden || String(window.getSelection()).length > 0) return;
  const response = await fetch(location.href);
  if (!response.ok) return;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const keepPlace = anchor();
  for (const old of document.querySelectorAll("[data-live]")) {
    const fresh = page.getElementById(old.id);
    if (!fresh || sources.get(old) === fresh.outerHTML) continue;
    const source = fresh.outerHTML;
    merge(old, fresh);
    sources.set(old, source);
  }
  keepPlace();
}

async function loop() {
  try {
    await refresh();
  } catch {
    // The sandbox was stopped; it may come back.
  }
  setTimeout(loop, INTERVAL);
}

for (const button of document.querySelectorAll("button[data-copy]")) {
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    button.textContent = "Copied";
  });
}
remember(document);
if (document.querySelector("[data-live]")) setTimeout(loop, INTERVAL);
