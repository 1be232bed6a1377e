"use strict";

// An answer counts as given only when the server has said so. Until then it is kept in this tab and sent again, with the
// same key, so that neither a reload nor a lost connection loses or doubles it.

const UNSURE = -1;
const TOO_SOON = 250; // milliseconds after showing a picture: the second half of a double click
const PATIENCE = 10_000; // milliseconds for one request
const base = location.pathname; // "/a/<token>/"
const element = (id) => document.getElementById(id);
const all = (selector) => document.querySelectorAll(selector);
const search = element("search");
const image = element("image");
const touched = matchMedia("(pointer: coarse)"); // there a keyboard on the screen would cover the picture

let texts, state;
let options = []; // the classes of this picture: {label, name, text, node}
let active = null; // the option that Enter answers
let listed = null; // the data set whose classes are listed
let shownAt = null; // when this picture appeared; null while there is nothing to answer
let mistaken = 0; // failed tries in a row

// ---- talking to the server

class Stop extends Error {}

const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function call(path, body) {
  for (let tries = 0; ; tries += 1) {
    let pause = Math.min(500 * 2 ** tries, 8000);
    try {
      const request = { signal: AbortSignal.timeout(PATIENCE), cache: "no-store" };
      if (body) Object.assign(request, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
      const response = await fetch(path, request);
      if (response.ok || response.status === 409) {
        const content = await response.json();
        if (tries) say("");
        if (response.ok) return content;
        say("You continued in another tab. This is where you are now.", 5000);
        return content.state;
      }
      if (response.status < 500 && ![408, 429].includes(response.status)) throw new Stop((await response.json()).error);
      pause = Math.max(pause, 1000 * Number(response.headers.get("Retry-After") ?? 0));
    } catch (error) {
      if (error instanceof Stop) throw error;
    }
    say(body ? "No connection. Your answer is kept here and will be sent again in a moment." : "No connection. Trying again in a moment.");
    await wait(pause);
  }
}

// A key of its own for each answer. (crypto.randomUUID is missing where the page comes without TLS.)
const newKey = () => Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");

async function change(path, body) {
  keep({ path, body });
  const changed = await call(base + path, body);
  keep(null);
  return changed;
}

function keep(unsent) {
  try {
    if (unsent) sessionStorage.setItem(base, JSON.stringify(unsent));
    else sessionStorage.removeItem(base);
  } catch { /* no storage here: an answer still survives everything but a reload at the wrong moment */ }
}

function kept() {
  try {
    return JSON.parse(sessionStorage.getItem(base));
  } catch {
    return null;
  }
}

// ---- what is in sight

function show(name) {
  for (const main of all("main")) main.hidden = main.id !== name;
}

let noteTimer;
function say(text, milliseconds) {
  clearTimeout(noteTimer);
  element("note").textContent = text;
  element("note").hidden = !text;
  if (milliseconds) noteTimer = setTimeout(() => say(""), milliseconds);
}

function stopWith(title, text) {
  element("stop-title").textContent = title;
  element("stop-text").textContent = text;
  say("");
  show("stop");
}

// Paragraphs are set apart by empty lines; lines that begin with "- " are points.
function write(where, text) {
  where.replaceChildren();
  for (const part of text.trim().split(/\n\s*\n/)) {
    const lines = part.split("\n").map((line) => line.trim());
    const points = lines.every((line) => line.startsWith("- "));
    const block = document.createElement(points ? "ul" : "p");
    if (points) {
      for (const line of lines) block.append(Object.assign(document.createElement("li"), { textContent: line.slice(2) }));
    } else {
      block.textContent = lines.join(" ");
    }
    where.append(block);
  }
}

function go(next, spoken = "") {
  state = next;
  if (!state.consented) {
    element("agree").disabled = false; // those who agree and do not answer are forgotten at some time
    show("consent");
  } else if (state.done) {
    element("completion").hidden = !state.code;
    element("code").textContent = state.code ?? "";
    element("back").hidden = !state.completion_url;
    if (state.completion_url) element("back-link").href = state.completion_url;
    show("done");
    element("spoken").textContent = `${spoken} Everything is answered. Thank you.`;
  } else {
    show("work");
    showPicture(spoken);
  }
}

async function showPicture(spoken) {
  const { position, total, dataset } = state;
  const address = (place) => `${base}images/${place}?${state.assignment}`; // kept by the browser under that name
  pause(true);
  image.classList.add("waiting");
  element("progress").max = total;
  element("progress").value = position;
  element("count").textContent = `${position + 1} of ${total}`;
  element("undo").disabled = position === 0;
  if (dataset !== listed) listClasses(dataset);
  find("");
  for (let tries = 0; ; tries += 1) {
    image.src = address(position);
    try {
      await image.decode();
      break;
    } catch {
      if (state.position !== position) return;
      say("The picture could not be loaded. Trying again in a moment.");
      await wait(Math.min(500 * 2 ** tries, 8000));
    }
  }
  if (state.position !== position) return; // another picture has taken its place
  if (element("note").textContent.startsWith("The picture")) say("");
  fit();
  image.classList.remove("waiting");
  element("spoken").textContent = `${spoken} Picture ${position + 1} of ${total}.`;
  pause(false);
  if (!touched.matches) search.focus({ preventScroll: true });
  requestAnimationFrame(() => { shownAt = performance.now(); });
  if (position + 1 < total) new Image().src = address(position + 1);
}

// Between an answer and the next picture, input is disabled.
function pause(busy) {
  if (busy) shownAt = null;
  element("work").classList.toggle("busy", busy);
}

// Scale small pictures by a whole number of screen pixels.
function fit() {
  const { naturalWidth: width, naturalHeight: height } = image;
  const frame = element("frame");
  const density = window.devicePixelRatio || 1;
  let scale = Math.min((frame.clientWidth - 24) / width, (frame.clientHeight - 24) / height) * density;
  if (scale > 1) scale = Math.floor(scale);
  image.style.width = `${(width * scale) / density}px`;
  image.style.height = `${(height * scale) / density}px`;
  image.classList.toggle("smooth", scale < 1 || element("smooth").getAttribute("aria-pressed") === "true");
}

// ---- the classes

const plain = (text) => text.replaceAll("_", " ").normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

function listClasses(dataset) {
  listed = dataset;
  options = texts.classes[dataset].map((name, label) => {
    const node = document.createElement("li");
    node.id = `class-${label}`;
    node.role = "option";
    node.textContent = name.replaceAll("_", " ");
    return { label, name: node.textContent, text: plain(name), node };
  });
  for (const option of options) {
    option.node.addEventListener("click", (event) => { if (event.detail < 2) answer(option.label, option.name); });
  }
  element("classes").replaceChildren(...options.map((option) => option.node));
  element("classes").scrollTop = 0;
}

// Show the classes that have the text in their name; Enter answers the closest one.
function find(text) {
  search.value = text;
  const wanted = plain(text.trim());
  const rank = (option) => {
    if (option.text === wanted) return 0;
    if (option.text.startsWith(wanted)) return 1;
    return option.text.includes(` ${wanted}`) ? 2 : 3;
  };
  for (const option of options) option.node.hidden = !option.text.includes(wanted);
  const left = inSight();
  element("none").hidden = left.length > 0;
  choose(wanted && left.length ? left.reduce((best, option) => (rank(option) < rank(best) ? option : best)) : null);
}

const inSight = () => options.filter((option) => !option.node.hidden);

function choose(option) {
  active = option;
  for (const other of options) other.node.setAttribute("aria-selected", String(other === option));
  if (option) {
    search.setAttribute("aria-activedescendant", option.node.id);
    option.node.scrollIntoView({ block: "nearest" });
  } else {
    search.removeAttribute("aria-activedescendant");
  }
}

// Arrow keys move as the eye does: by rows and columns.
function move(key) {
  const left = inSight();
  const place = left.indexOf(active);
  if (place < 0) return choose(left[key === "ArrowUp" || key === "ArrowLeft" ? left.length - 1 : 0] ?? null);
  const { offsetLeft: x, offsetTop: y } = active.node;
  const column = left.filter((option) => Math.abs(option.node.offsetLeft - x) < 2);
  const above = column.filter((option) => option.node.offsetTop < y).pop();
  const below = column.find((option) => option.node.offsetTop > y);
  const to = { ArrowUp: above ?? left[place - 1], ArrowDown: below ?? left[place + 1], ArrowLeft: left[place - 1], ArrowRight: left[place + 1] };
  choose(to[key] ?? active);
}

// ---- answering

async function answer(label, name) {
  const now = performance.now();
  if (shownAt === null || now - shownAt < TOO_SOON) return;
  const seconds = Math.round(now - shownAt) / 1000;
  await step("answers", { position: state.position, label, seconds, key: newKey() }, `Answered: ${name}.`);
}

const cannotTell = () => texts.forced_choice || answer(UNSURE, "can't tell");

async function undo() {
  if (!state.position || (shownAt === null && !state.done)) return;
  await step("undo", { position: state.position - 1, key: newKey() }, "Undone.");
}

async function step(path, body, spoken) {
  pause(true);
  image.classList.add("waiting");
  try {
    go(await change(path, body), spoken);
  } catch (error) {
    recover(error);
  }
}

// The server refused permanently: start again from its state, but only a few times.
async function recover(error) {
  keep(null);
  mistaken += 1;
  if (!(error instanceof Stop) || mistaken > 3) return stopWith("Something went wrong", `${error.message} Reload the page to continue.`);
  try {
    go(await call(`${base}state`));
    say(error.message, 5000);
  } catch (again) {
    stopWith("Something went wrong", again.message);
  }
}

function toggleSmooth() {
  const pressed = element("smooth").getAttribute("aria-pressed") !== "true";
  element("smooth").setAttribute("aria-pressed", String(pressed));
  fit();
}

// ---- keys, clicks and the way in

function pressed(event) {
  if (element("work").hidden || element("instructions").open || event.isComposing) return;
  const inSearch = event.target === search;
  const empty = search.value === "";
  const command = event.ctrlKey || event.metaKey;
  const does = {
    "?": empty && cannotTell,
    "#": empty && toggleSmooth,
    Enter: inSearch && (() => active && answer(active.label, active.name)),
    Escape: inSearch && (() => find("")),
    ArrowDown: inSearch && (() => move("ArrowDown")),
    ArrowUp: inSearch && (() => move("ArrowUp")),
    ArrowLeft: inSearch && empty && (() => move("ArrowLeft")),
    ArrowRight: inSearch && empty && (() => move("ArrowRight")),
  };
  const act = command ? event.key.toLowerCase() === "z" && !event.shiftKey && empty && undo : does[event.key];
  if (act) {
    event.preventDefault();
    if (!event.repeat || event.key.startsWith("Arrow")) act();
  } else if (event.target === document.body && event.key.length === 1 && !command && !event.altKey) {
    search.focus();
  }
}

function listen() {
  document.addEventListener("keydown", pressed);
  search.addEventListener("input", () => find(search.value));
  element("classes").addEventListener("mousedown", (event) => event.preventDefault()); // the search keeps the focus
  element("cannot").addEventListener("click", (event) => { if (event.detail < 2) cannotTell(); });
  element("undo").addEventListener("click", (event) => { if (event.detail < 2) undo(); });
  element("undo-last").addEventListener("click", undo);
  element("smooth").addEventListener("click", toggleSmooth);
  element("help").addEventListener("click", () => element("instructions").showModal());
  element("instructions").addEventListener("close", () => { if (!touched.matches) search.focus({ preventScroll: true }); });
  element("agree").addEventListener("click", agree);
  new ResizeObserver(() => { if (image.naturalWidth) fit(); }).observe(element("frame"));
  // Another tab may have continued.
  document.addEventListener("visibilitychange", async () => {
    if (document.hidden || shownAt === null) return;
    const now = await call(`${base}state`);
    if (shownAt !== null && now.position !== state.position) go(now);
  });
}

async function agree() {
  element("agree").disabled = true;
  try {
    go(await call(`${base}consent`, {}));
  } catch (error) {
    stopWith("There is nothing to do", error.message);
  }
}

async function join(event) {
  event.preventDefault();
  try {
    location.assign((await call("/join", { name: element("name").value.trim() || null })).link);
  } catch (error) {
    say(error.message, 8000);
  }
}

async function begin() {
  if (base === "/") {
    element("join-form").addEventListener("submit", join);
    show("join");
    element("name").focus();
    return;
  }
  texts = await call(`${base}campaign`);
  document.title = texts.title;
  for (const node of all(".title")) node.textContent = texts.title;
  for (const node of all(".who")) node.textContent = texts.name;
  for (const node of all(".instructions")) write(node, texts.instructions);
  write(element("consent-text"), texts.consent);
  element("how-many").textContent = texts.images_each === 1 ? "You are asked about one picture." : `You are asked about ${texts.images_each} pictures or a few more.`;
  element("question").textContent = texts.question;
  element("cannot").hidden = texts.forced_choice;
  listen();
  const unsent = kept();
  go(unsent ? await change(unsent.path, unsent.body) : await call(`${base}state`));
}

begin().catch(recover);
