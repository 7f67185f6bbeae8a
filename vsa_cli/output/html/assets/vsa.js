// Words and their boxes: pointing, tapping and the keyboard show one pair alone.
// The page is whole without this: colours and numbers say the same.
"use strict";
(() => {
  let held = null; // the word that a tap, a click or Enter keeps shown

  const all = (plate, kind) => plate.querySelectorAll(kind);
  const pairing = (plate) => plate.querySelector(".pairing");

  // Show some words and some boxes of a plate, and dim its others.
  function show(plate, words, boxes) {
    for (const word of all(plate, ".w")) word.classList.toggle("on", words.includes(word));
    for (const mark of all(plate, ".box, .tag, sup")) mark.classList.toggle("on", boxes.has(mark.dataset.b));
    plate.classList.add("pair");
    spotlight(plate, boxes.size === 1 ? plate.querySelector(".box.on .edge") : null);
  }

  function clear(plate) {
    plate.classList.remove("pair", "lit");
    for (const mark of all(plate, ".on")) mark.classList.remove("on");
    pairing(plate).textContent = "";
  }

  function showWord(word) {
    const plate = word.closest(".plate");
    show(plate, [word], new Set([word.dataset.b]));
    for (const number of all(plate, "sup")) number.classList.toggle("on", number.closest(".run").contains(word));
    const where = word.dataset.b === "0" ? "whole photograph" : `box ${word.dataset.b}`;
    pairing(plate).textContent = [word.textContent, where, word.dataset.s].filter(Boolean).join(" · ");
  }

  function showBox(box) {
    const plate = box.closest(".plate");
    const words = [...all(plate, ".w")].filter((word) => word.dataset.b === box.dataset.b);
    show(plate, words, new Set([box.dataset.b]));
    pairing(plate).textContent = "";
  }

  // Darken the photograph around a box. The mask is made once for a plate, where first needed.
  function spotlight(plate, edge) {
    plate.classList.toggle("lit", edge !== null);
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
      const mask = add(svg, "mask", { id: `${plate.id}-mask`, maskUnits: "userSpaceOnUse", ...whole });
      add(mask, "rect", { fill: "white", ...whole });
      hole = add(mask, "rect", { fill: "black", class: "hole" });
      svg.prepend(add(svg, "rect", { class: "shade", mask: `url(#${plate.id}-mask)`, ...whole }));
    }
    for (const side of ["x", "y", "width", "height"]) hole.setAttribute(side, edge.getAttribute(side));
  }

  // What is shown when nothing is pointed at: the word that is held, or the one with the focus, or all.
  function settle(plate) {
    const focused = document.activeElement;
    if (held && plate.contains(held)) showWord(held);
    else if (focused && focused.matches(".w:focus-visible") && plate.contains(focused)) showWord(focused);
    else clear(plate);
  }

  function hold(word) {
    const before = held;
    held = word === before ? null : word;
    for (const one of [before, held]) {
      if (one) one.setAttribute("aria-pressed", String(one === held));
      if (one) settle(one.closest(".plate"));
    }
  }

  document.addEventListener("pointerover", (event) => {
    const word = event.target.closest(".w");
    const box = event.target.closest(".box");
    const plate = event.target.closest(".plate");
    if (word) showWord(word);
    else if (box) showBox(box);
    else if (plate && !event.target.closest(".line")) settle(plate); // between words the last one stays
  });

  document.addEventListener("pointerout", (event) => {
    const plate = event.target.closest(".plate");
    if (plate && !plate.contains(event.relatedTarget)) settle(plate);
  });

  document.addEventListener("focusin", (event) => {
    if (event.target.matches(".w:focus-visible")) showWord(event.target);
  });

  document.addEventListener("focusout", (event) => {
    if (event.target.matches(".w")) settle(event.target.closest(".plate"));
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

  // Arrows go from word to word and from sentence to sentence; Home and End to a sentence's ends.
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
