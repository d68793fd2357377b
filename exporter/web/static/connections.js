// Applies the filters of /connections immediately, and refreshes the listing periodically.
// The server renders the page; this script only replaces its live part.
"use strict";

const INTERVAL = 5000;
const TYPING = 300;

const form = document.getElementById("query");
const trouble = document.getElementById("trouble");
const refresh = document.getElementById("refresh");
const refreshing = refresh.querySelector("input");

let address = location.href;
let timer = 0;
let request = new AbortController();

function later(delay) {
  clearTimeout(timer);
  timer = setTimeout(show, delay);
}

function isInUse() {
  const selection = getSelection();
  return document.hidden || (!selection.isCollapsed && live().contains(selection.anchorNode));
}

function live() {
  return document.getElementById("live");
}

async function show() {
  clearTimeout(timer);
  request.abort();
  request = new AbortController();
  try {
    const response = await fetch(address, { signal: request.signal });
    const text = await response.text();
    const fresh = new DOMParser().parseFromString(text, "text/html").getElementById("live");
    if (fresh === null) {
      throw new Error(`HTTP status ${response.status}`);
    }
    const focused = document.activeElement?.id;
    live().replaceWith(fresh);
    if (focused) {
      document.getElementById(focused)?.focus();
    }
    trouble.textContent = "";
  } catch (error) {
    if (error.name === "AbortError") {
      return;
    }
    trouble.textContent = `Refresh failed: ${error.message}.`;
  }
  scheduleRefresh();
}

function scheduleRefresh() {
  clearTimeout(timer);
  if (refreshing.checked) {
    timer = setTimeout(() => (isInUse() ? scheduleRefresh() : show()), INTERVAL);
  }
}

function go(url, delay) {
  address = url.href;
  history.replaceState(null, "", address);
  later(delay);
}

function requestedUrl() {
  const url = new URL(form.action);
  for (const [key, value] of new FormData(form)) {
    if (value !== "") {
      url.searchParams.set(key, value);
    }
  }
  return url;
}

form.addEventListener("input", (event) => {
  if (event.target === refreshing) {
    scheduleRefresh();
  } else {
    go(requestedUrl(), event.target.type === "text" ? TYPING : 0);
  }
});

form.addEventListener("submit", (event) => {
  event.preventDefault();
  go(requestedUrl(), 0);
});

document.addEventListener("click", (event) => {
  const link = event.target.closest("#live a");
  if (link === null || event.ctrlKey || event.metaKey || event.shiftKey) {
    return;
  }
  event.preventDefault();
  const url = new URL(link.href);
  form.elements.sort.value = url.searchParams.get("sort") ?? "risk";
  form.elements.all.checked = url.searchParams.has("all");
  go(url, 0);
});

refresh.hidden = false;
scheduleRefresh();
