"use strict";
(function () {
  var NEAR = 28;
  document.documentElement.classList.add("scripted");

  function ready(svg) {
    var figure = svg.closest("figure");
    var points = Array.prototype.map.call(svg.querySelectorAll(".pt"), function (node) {
      var title = node.querySelector("title");
      var told = title ? title.textContent : "";
      if (title) title.remove();
      var box = node.getBBox();
      return { node: node, told: told, x: box.x + box.width / 2, y: box.y + box.height / 2, top: box.y, area: node.tagName === "rect" };
    });
    if (!points.length) return;
    var order = points.slice().sort(function (a, b) { return a.area ? 0 : a.x - b.x || a.y - b.y; });
    var now = -1;

    function show(index) {
      now = index;
      var point = order[index], tip = tipOf(figure), old = svg.querySelector(".here");
      if (old) old.remove();
      var ring = document.createElementNS("http://www.w3.org/2000/svg", point.area ? "rect" : "circle");
      if (point.area) {
        ["x", "y", "width", "height"].forEach(function (name) { ring.setAttribute(name, point.node.getAttribute(name)); });
      } else {
        ring.setAttribute("cx", point.x); ring.setAttribute("cy", point.y); ring.setAttribute("r", 8);
      }
      ring.setAttribute("class", "here");
      svg.appendChild(ring);
      tip.textContent = point.told;
      tip.hidden = false;
      place(tip, svg, point);
      figure.querySelector(".told").textContent = point.told;
    }

    function hide() {
      now = -1;
      var old = svg.querySelector(".here"), tip = figure.querySelector(".tip");
      if (old) old.remove();
      if (tip) tip.hidden = true;
    }

    function nearest(event) {
      var box = svg.getBoundingClientRect(), view = svg.viewBox.baseVal;
      var x = (event.clientX - box.left) * view.width / box.width;
      var y = (event.clientY - box.top) * view.height / box.height;
      var best = -1, least = NEAR * NEAR;
      order.forEach(function (point, index) {
        if (point.node === event.target) { best = index; least = -1; return; }
        if (point.area) return;
        var far = (point.x - x) * (point.x - x) + (point.y - y) * (point.y - y);
        if (far < least) { best = index; least = far; }
      });
      return best;
    }

    function follow(event) {
      var index = nearest(event);
      if (index < 0) hide(); else if (index !== now) show(index);
    }

    svg.addEventListener("pointermove", follow);
    svg.addEventListener("pointerdown", follow);
    svg.addEventListener("pointerleave", hide);
    svg.addEventListener("blur", hide);
    svg.addEventListener("keydown", function (event) {
      var last = order.length - 1;
      var to = { ArrowRight: now + 1, ArrowDown: now + 1, ArrowLeft: now < 0 ? last : now - 1, ArrowUp: now < 0 ? last : now - 1, Home: 0, End: last }[event.key];
      if (event.key === "Escape") { hide(); return; }
      if (to === undefined) return;
      event.preventDefault();
      show(Math.max(0, Math.min(last, to)));
    });
  }

  function tipOf(figure) {
    var tip = figure.querySelector(".tip");
    if (!tip) {
      tip = document.createElement("div");
      tip.className = "tip";
      tip.setAttribute("aria-hidden", "true");
      figure.appendChild(tip);
    }
    return tip;
  }

  function place(tip, svg, point) {
    var box = svg.getBoundingClientRect(), frame = tip.parentNode.getBoundingClientRect();
    var scale = box.width / svg.viewBox.baseVal.width;
    var x = box.left - frame.left + point.x * scale, y = box.top - frame.top + point.top * scale;
    tip.style.left = "0px"; tip.style.top = "0px";
    var left = Math.max(0, Math.min(frame.width - tip.offsetWidth, x - tip.offsetWidth / 2));
    var top = y - tip.offsetHeight - 12;
    tip.style.left = left + "px";
    tip.style.top = (top < -box.top ? y + 26 : top) + "px";
  }

  function sortable(table) {
    var heads = Array.prototype.slice.call(table.tHead.rows[0].cells), body = table.tBodies[0];
    heads.forEach(function (head, column) {
      head.querySelector("button").addEventListener("click", function () {
        var down = head.getAttribute("aria-sort") === "ascending";
        heads.forEach(function (one) { one.removeAttribute("aria-sort"); });
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        var keyed = Array.prototype.map.call(body.rows, function (row) {
          var cell = row.cells[column], value = cell.dataset.v;
          return { row: row, number: value === undefined ? null : Number(value), text: cell.textContent };
        });
        keyed.sort(function (a, b) {
          if (a.number !== null && b.number !== null) return (a.number - b.number) * (down ? -1 : 1);
          if (a.number !== null || b.number !== null) return a.number === null ? 1 : -1;
          return a.text.localeCompare(b.text, undefined, { numeric: true }) * (down ? -1 : 1);
        });
        keyed.forEach(function (one) { body.appendChild(one.row); });
      });
    });
  }

  Array.prototype.forEach.call(document.querySelectorAll(".sortable table"), sortable);
  var charts = Array.prototype.slice.call(document.querySelectorAll("figure .chart"));
  function prepare() {
    charts = charts.filter(function (svg) {
      if (getComputedStyle(svg).display === "none") return true;
      ready(svg);
      return false;
    });
  }
  prepare();
  window.addEventListener("resize", prepare);

  var opened = [];
  window.addEventListener("beforeprint", function () {
    opened = Array.prototype.filter.call(document.querySelectorAll("details"), function (one) { return !one.open; });
    opened.forEach(function (one) { one.open = true; });
  });
  window.addEventListener("afterprint", function () {
    opened.forEach(function (one) { one.open = false; });
  });
})();
