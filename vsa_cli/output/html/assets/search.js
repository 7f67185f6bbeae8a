// More results as one scrolls. Without this script, the link below the results leads to them.
"use strict";
(() => {
  const margin = "800px"; // distance below the window at which the link is followed

  // The next page has all results so far and some more, and weights for the words of all of them.
  async function follow(link) {
    const answer = await fetch(link.href);
    if (!answer.ok) return;
    const text = await answer.text();
    // parsed without its style, which the policy of this page does not allow
    const [style, rules] = /<style id="weights">([^<]*)<\/style>/.exec(text) ?? ["", ""];
    const page = new DOMParser().parseFromString(text.replace(style, ""), "text/html");
    const main = document.querySelector("main");
    main.append(...[...page.querySelectorAll("main .card")].slice(main.querySelectorAll(".card").length));
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(rules);
    document.adoptedStyleSheets = [sheet];
    document.querySelector(".facts").replaceWith(page.querySelector(".facts"));
    history.replaceState(null, "", link.href.split("#")[0]);
    const more = page.querySelector(".more");
    link.closest(".more").replaceWith(...(more ? [more] : []));
    watch();
  }

  function watch() {
    const link = document.querySelector(".more a");
    if (!link) return;
    const watcher = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      watcher.disconnect();
      follow(link).catch(console.warn); // the link remains, for another try
    }, { rootMargin: `0px 0px ${margin} 0px` });
    watcher.observe(link);
  }

  watch();
})();
