use kernel_core::sim::*;
use std::time::*;
fn main() {
    let only = std::env::args().nth(1);
    let secs: u64 = std::env::args().nth(2).map_or(10, |s| s.parse().unwrap());
    for scene in scene::Scene::EXHAUSTIVE {
        if only.as_deref().is_some_and(|o| o != scene.name() && o != "all") {
            continue;
        }
        let t = Instant::now();
        let e = explore::explore(
            scene,
            explore::Limits {
                until: t + Duration::from_secs(secs),
                states: 10_000_000,
                depth: 1000,
                bytes: 2 << 30,
                threads: 2,
            },
        );
        println!(
            "{}: {} states {} steps depth {} complete {} {:?}, {:.1} us/step",
            scene.name(),
            e.states,
            e.steps,
            e.depth,
            e.complete,
            t.elapsed(),
            t.elapsed().as_secs_f64() * 1e6 / e.steps as f64
        );
        if let Some((trace, v)) = e.wrong {
            println!("{trace}");
            println!("  {v}");
        }
    }
    if only.as_deref().is_none_or(|o| o == "random") {
        for scene in scene::Scene::ALL {
            let t = Instant::now();
            let mut all = random::Coverage::default();
            let mut stage = scene.stage();
            let first = stage.save();
            let mut n = 0;
            for seed in 0..100000 {
                stage.save();
                stage.restore(&first);
                match random::run(&mut stage, scene, seed, 400) {
                    Ok(c) => all += c,
                    Err((trace, f)) => {
                        println!("seed {seed}: {f}");
                        let (t, f) = shrink::shrink(&trace, 2000).unwrap();
                        println!("{t}\n  {f}");
                        break;
                    }
                }
                n = seed;
                if t.elapsed() > Duration::from_secs(secs) {
                    break;
                }
            }
            println!("random {}: {n} traces {all:?} {:?}", scene.name(), t.elapsed());
        }
    }
}
