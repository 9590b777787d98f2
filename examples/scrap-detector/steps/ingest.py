"""A day-by-day simulation of a stamping press that blanks 2 mm brackets from coil.

The numbers follow from the machine:
  force      shear strength x cut length x sheet thickness, growing as the cutting edge wears
  wear       Archard: proportional to force x sliding way, so it accumulates over strokes until the
             tool is reground
  heat       the tool warms towards an equilibrium with a time constant, and cools overnight
  vibration  an accelerometer on the eccentric shaft. Its bearing (6205: 9 balls of 7.94 mm on a
             pitch of 39.04 mm) is struck once per ball passing a damage of the outer ring, at
             BPFO = balls / 2 x shaft frequency x (1 - d/D): each strike rings the housing at 3 kHz
  scrap      a part is bad if its burr or its hole position is out of tolerance. Burr comes from
             wear and from the clearance that thickness and heat change; position from bearing play
"""
import argparse
import time

import numpy as np
import pandas as pd

import orch

BALLS, BALL_MM, PITCH_MM = 9, 7.94, 39.04
SAMPLE_HZ, SAMPLES = 12800, 2048
RESONANCE_HZ, RING_S = 3000.0, 0.0012
SHEAR_MPA, CUT_MM = 290.0, 420.0            # mild steel, length of the cut contour
REGRIND_WEAR_UM = 95.0                      # the tool shop takes it out about here
BEARING_SWAP_UM = 66.0                      # and maintenance swaps the bearing about here


def bpfo_hz(shaft_hz):
    return BALLS / 2.0 * shaft_hz * (1.0 - BALL_MM / PITCH_MM)


def vibration(rng, shaft_hz, defect_um):
    """One waveform a part -> RMS, kurtosis and the envelope's amplitude at BPFO (all in g)."""
    parts = len(shaft_hz)
    t = np.arange(SAMPLES) / SAMPLE_HZ
    phase = rng.uniform(0, 1, (parts, 1))
    unbalance = 0.25 * np.sin(2 * np.pi * (shaft_hz[:, None] * t + phase))
    mesh = 0.12 * np.sin(2 * np.pi * (17 * shaft_hz[:, None] * t + phase))
    since_hit = np.mod(bpfo_hz(shaft_hz)[:, None] * t + phase, 1.0) / bpfo_hz(shaft_hz)[:, None]
    ring = np.exp(-since_hit / RING_S) * np.sin(2 * np.pi * RESONANCE_HZ * since_hit)
    wave = unbalance + mesh + 0.022 * defect_um[:, None] * ring + rng.normal(0, 0.15, (parts, SAMPLES))

    rms = np.sqrt(np.mean(wave**2, axis=1))
    centred = wave - wave.mean(axis=1, keepdims=True)
    kurtosis = np.mean(centred**4, axis=1) / np.mean(centred**2, axis=1) ** 2
    # Envelope: keep the band around the resonance of the spectrum's positive half, go back, magnitude.
    spectrum = np.fft.fft(wave, axis=1)
    freq = np.fft.fftfreq(SAMPLES, 1 / SAMPLE_HZ)
    spectrum[:, (freq < RESONANCE_HZ - 800) | (freq > RESONANCE_HZ + 800)] = 0
    envelope = np.abs(2 * np.fft.ifft(spectrum, axis=1))
    lines = np.abs(np.fft.rfft(envelope - envelope.mean(axis=1, keepdims=True), axis=1)) * 2 / SAMPLES
    at = np.rint(bpfo_hz(shaft_hz) * SAMPLES / SAMPLE_HZ).astype(int)
    near = at[:, None] + np.arange(-1, 2)
    return rms, kurtosis, np.take_along_axis(lines, near, axis=1).max(axis=1)


def one_day(rng, day, start, parts, state):
    minutes = np.sort(rng.uniform(0, 16 * 60, parts))                     # two shifts
    speed = np.clip(rng.normal(60, 1.5) + rng.normal(0, 0.8, parts), 50, 72)
    coil = (minutes // 60).astype(int)
    thickness = (2.0 + rng.normal(0, 0.045, coil.max() + 1))[coil] + rng.normal(0, 0.006, parts)

    # Strokes between two measured parts wear the edge; force depends on wear, so this runs in order.
    strokes = np.diff(minutes, prepend=0.0) * speed
    wear, since, defect = np.empty(parts), np.empty(parts, dtype=int), np.empty(parts)
    for i in range(parts):
        state["since"] += strokes[i]
        state["wear"] += strokes[i] * 1.9e-3 * (1 + state["wear"] / 150) * (thickness[i] / 2.0)
        state["defect"] += strokes[i] * 1.1e-5 * (6 + state["defect"])
        if state["wear"] > REGRIND_WEAR_UM + rng.normal(0, 4):
            state.update(wear=rng.uniform(0, 4), since=0.0)
        if state["defect"] > BEARING_SWAP_UM:
            state["defect"] = rng.uniform(1, 4)
        wear[i], since[i], defect[i] = state["wear"], int(state["since"]), state["defect"]

    ambient = 19 + 5 * np.sin(2 * np.pi * (day + 3) / 30) + 3 * np.sin(np.pi * minutes / (16 * 60))
    force = SHEAR_MPA * CUT_MM * thickness / 1000 * (1 + 0.0022 * wear) + rng.normal(0, 2.0, parts)
    heat = 0.13 * (force - 200) * speed / 60                                # equilibrium over ambient
    temperature = ambient + heat * (1 - np.exp(-minutes / 45)) + rng.normal(0, 0.5, parts)
    rms, kurtosis, bpfo = vibration(rng, speed / 60 * 24.6, defect)

    clearance_um = 100 - 220 * (thickness - 2.0) - 0.25 * (temperature - 35)
    burr_um = 18 + 0.62 * wear + 0.0012 * wear**2 * np.abs(clearance_um - 95) / 20 + rng.normal(0, 1.2, parts)
    position_um = 14 + 0.45 * defect * (1 + 0.012 * (temperature - 35)) + np.abs(rng.normal(0, 1.0, parts))
    return pd.DataFrame({
        "produced_at": start + pd.to_timedelta(day, unit="D") + pd.to_timedelta(np.round(minutes * 60), unit="s"),
        "strokes_since_grind": since, "press_speed_spm": speed, "sheet_thickness_mm": thickness,
        "press_force_kn": force, "tool_temp_c": temperature,
        "vib_rms_g": rms, "vib_kurtosis": kurtosis, "vib_bpfo_g": bpfo,
        "scrap": ((burr_um > 66) | (position_um > 37)).astype(int),
    })


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--days", type=int, required=True)
    parser.add_argument("--parts-per-day", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--dropout", type=float, default=0.0)
    args = parser.parse_args()

    began = time.monotonic()
    rng = np.random.default_rng(args.seed)
    state = {"wear": 30.0, "since": 40000.0, "defect": 4.0}
    start = pd.Timestamp("2024-03-04 06:00")
    days = []
    for day in range(args.days):
        days.append(one_day(rng, day, start, args.parts_per_day, state))
        print(f"day {day + 1:3d}: {len(days[-1])} parts, {days[-1]['scrap'].mean():6.2%} scrap, "
              f"wear {state['wear']:5.1f} um, bearing damage {state['defect']:5.1f} um", flush=True)
    data = pd.concat(days, ignore_index=True)
    data.insert(0, "part_id", np.arange(1, len(data) + 1))
    sensors = ["press_force_kn", "tool_temp_c", "vib_rms_g", "vib_kurtosis", "vib_bpfo_g"]
    data[sensors] = data[sensors].mask(rng.uniform(size=(len(data), len(sensors))) < args.dropout)

    data.to_csv(orch.out("raw.csv"), index=False, float_format="%.5f")
    orch.output(rows=len(data), first_day=data["produced_at"].min().date(), last_day=data["produced_at"].max().date())
    orch.metric("rows", len(data))
    orch.metric("rows_per_second", len(data) / (time.monotonic() - began))


if __name__ == "__main__":
    main()
