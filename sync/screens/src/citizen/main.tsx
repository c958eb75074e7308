import "../lib/base.css";
import type { JSX } from "preact";
import { start } from "../lib/start";
import { w } from "../lib/words";

function Screen(): JSX.Element {
  return <main class="login"><h1>{w("app")}</h1></main>;
}

start(Screen, false);
