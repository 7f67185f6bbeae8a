// Words and their boxes: pointing, tapping and the keyboard highlight one pair.
// Without this script the page still shows every pair, by colour and number.
"use strict";
(() => {
  let held = null; // the word that a tap, a click or Enter keeps highlighted

  const all = (card, kind) => card.querySelectorAll(kind);
  const pairing = (card) => card.querySelector(".pairing");

  // Highlight words and boxes of a card, and dim the others.
  function highlight(card, words, boxes) {
    for (const word of all(card, ".w")) word.classList.toggle("on", words.includes(word));
    for (const mark of all(card, ".box, .tag, sup")) mark.classList.toggle("on", boxes.has(mark.dataset.b));
    card.classList.add("pair");
    spotlight(card, boxes.size === 1 ? card.querySelector(".box.on .edge") : null);
  }

  function clear(card) {
    card.classList.remove("pair", "lit");
    for (const mark of all(card, ".on")) mark.classList.remove("on");
    pairing(card).textContent = "";
  }

  function highlightWord(word) {
    const card = word.closest(".card");
    highlight(card, [word], new Set([word.dataset.b]));
    for (const number of all(card, "sup")) number.classList.toggle("on", number.closest(".run").contains(word));
    const where = word.dataset.b === "0" ? "whole photograph" : `box ${word.dataset.b}`;
    pairing(card).textContent = [word.textContent, where, word.dataset.s].filter(Boolean).join(" · ");
  }

  function highlightBox(box) {
    const card = box.closest(".card");
    const words = [...all(card, ".w")].filter((word) => word.dataset.b === box.dataset.b);
    highlight(card, words, new Set([box.dataset.b]));
    pairing(card).textContent = "";
  }

  // Darken the photograph around a box. Each card's mask is created when first needed.
  function spotlight(card, edge) {
    card.classList.toggle("lit", edge !== null);
    if (edge === null) return;
    const svg = edge.ownerSVGElement;
    let hole = svg.querySelector("mask .hole");
    if (!hole) {
      const add = (parent, name, attributes) => {
        const made = document.createElementNS(svg.namespaceURI, name);
        for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
        return parent.appendChild(made);
      };
      const whole = { x: "0", y: "0", width: "100%", height: "100%" };
      const mask = add(svg, "mask", { id: `${card.id}-mask`, maskUnits: "userSpaceOnUse", ...whole });
      add(mask, "rect", { fill: "white", ...whole });
      hole = add(mask, "rect", { fill: "black", class: "hole" });
      svg.prepend(add(svg, "rect", { class: "shade", mask: `url(#${card.id}-mask)`, ...whole }));
    }
    for (const side of ["x", "y", "width", "height"]) hole.setAttribute(side, edge.getAttribute(side));
  }

  // Without a pointer: highlight the held word, else the focused one, else show everything.
  function restore(card) {
    const focused = document.activeElement;
    if (held && card.contains(held)) highlightWord(held);
    else if (focused && focused.matches(".w:focus-visible") && card.contains(focused)) highlightWord(focused);
    else clear(card);
  }

  function hold(word) {
    const before = held;
    held = word === before ? null : word;
    for (const one of [before, held]) {
      if (one) one.setAttribute("aria-pressed", String(one === held));
      if (one) restore(one.closest(".card"));
    }
  }

  document.addEventListener("pointerover", (event) => {
    const word = event.target.closest(".w");
    const box = event.target.closest(".box");
    const card = event.target.closest(".card");
    if (word) highlightWord(word);
    else if (box) highlightBox(box);
    else if (card && !event.target.closest(".line")) restore(card); // between two words the last one stays highlighted
  });

  document.addEventListener("pointerout", (event) => {
    const card = event.target.closest(".card");
    if (card && !card.contains(event.relatedTarget)) restore(card);
  });

  document.addEventListener("focusin", (event) => {
    if (event.target.matches(".w:focus-visible")) highlightWord(event.target);
  });

  document.addEventListener("focusout", (event) => {
    if (event.target.matches(".w")) restore(event.target.closest(".card"));
  });

  document.addEventListener("click", (event) => {
    const word = event.target.closest(".w");
    if (word) hold(word);
    else if (held) hold(held);
  });

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && held) hold(held);
    const word = event.target.closest(".w");
    if (!word || event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "Enter" || event.key === " ") hold(word);
    else if (!move(word, event.key)) return;
    event.preventDefault();
  });

  // Arrow keys move between words and between sentences, Home and End to the ends of a sentence.
  function move(word, key) {
    const line = word.closest(".line");
    const words = [...line.querySelectorAll(".w")];
    const ahead = getComputedStyle(word).direction === "rtl" ? "ArrowLeft" : "ArrowRight";
    const back = ahead === "ArrowLeft" ? "ArrowRight" : "ArrowLeft";
    const at = words.indexOf(word);
    const lines = [...line.parentElement.querySelectorAll(".line:has(.w)")];
    const above = lines[lines.indexOf(line) + { ArrowUp: -1, ArrowDown: 1 }[key]];
    let to = { [ahead]: words[at + 1], [back]: words[at - 1], Home: words[0], End: words[words.length - 1] }[key];
    if (above) to = above.querySelector('.w[tabindex="0"]');
    if (!to) return [ahead, back, "Home", "End", "ArrowUp", "ArrowDown"].includes(key);
    for (const one of to.closest(".line").querySelectorAll(".w")) one.tabIndex = one === to ? 0 : -1;
    to.focus();
    return true;
  }
})();
