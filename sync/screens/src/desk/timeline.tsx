// Who did what: when by their clock, when their node took it in, where, and whether the city has it.
import type { JSX } from "preact";
import type { Incident } from "../lib/api";
import { clock, dated } from "../lib/clock";
import { w } from "../lib/words";
import { categories, type Category } from "../lib/api";
import { kindWord, reasonWord } from "./parts";
import { contacts, unitName } from "./state";
import { t, type Word } from "./words";

export function value(kind: string, v: string | undefined): string {
  if (!v) return "";
  if (kind === "missed") return t(`step_${v}` as Word);
  if (kind === "forward" || kind === "routed") return unitName(v);
  if (kind === "dispatch" || kind === "arrive") return contacts.value.find((c) => c.id === v)?.name ?? v;
  if ((categories as readonly string[]).includes(v)) return w(v as Category);
  return reasonWord(v);
}

export function Timeline(p: { i: Incident }): JSX.Element {
  return (
    <section aria-label={t("timeline")}>
      <h3>{t("timeline")}</h3>
      <ol class="timeline" data-testid="timeline">
        {p.i.timeline.filter((e) => e.kind !== "suggested" && e.kind !== "status").toReversed().map((e) => (
          <li key={e.entry} class={e.withdrawn ? "gone" : ""} data-kind={e.kind}>
            <span class="times"><time title={`${t("device_time")} ${dated(e.at)}`}>{clock(e.at)}</time>{e.received_at && clock(e.received_at) !== clock(e.at) && <time class="dim" title={`${t("node_time")} ${dated(e.received_at)}`}> → {clock(e.received_at)}</time>}</span>
            <span><b>{kindWord(e.kind)}</b> {value(e.kind, e.value)} {e.redacted ? <i>{t("redacted")}</i> : <>{e.sealed?.summary} {e.sealed?.text}</>}
              {e.withdrawn && <span class="tag">{t("withdrawn")}</span>}
              {e.offline && <span class="tag loud">{t("made_offline")}</span>}
              {!e.clock_sure && <span class="tag">{t("unsure_clock")}</span>}
              {e.index === 0 && <span class="tag pending">⇡ {t("on_way")}</span>}
              <small class="dim"> {e.by} · {e.origin}</small></span>
          </li>
        ))}
      </ol>
    </section>
  );
}
