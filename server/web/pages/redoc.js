"use strict";

const place = document.getElementById("redoc");
const dark = matchMedia("(prefers-color-scheme: dark)");

const LIGHT = {};

const DARK = {
  colors: {
    primary: { main: "#8ab4f8", light: "#aecbfa", dark: "#669df6" },
    success: { main: "#5bd08a" },
    error: { main: "#ff8a80" },
    gray: { 50: "#24292c", 100: "#30363a" },
    text: { primary: "#e4e6e6", secondary: "#b7bcbf" },
    border: { light: "#30363a", dark: "#4a5257" },
    responses: {
      success: { color: "#5bd08a", backgroundColor: "#17301f" },
      error: { color: "#ff8a80", backgroundColor: "#3a1c1a" },
      redirect: { color: "#e0c080", backgroundColor: "#332a15" },
      info: { color: "#8ab4f8", backgroundColor: "#16263c" },
    },
  },
  schema: { nestedBackground: "#24292c", linesColor: "#5b6770", typeNameColor: "#b7bcbf" },
  sidebar: { backgroundColor: "#15181a", textColor: "#e4e6e6", activeTextColor: "#8ab4f8" },
  rightPanel: { backgroundColor: "#111416" },
  typography: {
    code: { color: "#f0a0a8", backgroundColor: "#2b3034" },
    links: { color: "#8ab4f8", visited: "#8ab4f8", hover: "#aecbfa" },
  },
  fab: { backgroundColor: "#30363a", color: "#8ab4f8" },
};

const dress = dark.matches ? DARK : LIGHT;

Redoc.init(
  place.dataset.openapiUrl,
  {
    theme: {
      ...dress,
      typography: {
        ...dress.typography,
        // The default fonts come from another host.
        fontFamily: "system-ui, sans-serif",
        headings: { fontFamily: "system-ui, sans-serif" },
      },
    },
  },
  place,
);

// ReDoc has one dress for life.
dark.addEventListener("change", () => location.reload());
