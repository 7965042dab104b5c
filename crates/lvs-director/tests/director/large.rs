//! Ten thousand real servers.

use crate::world::World;

/// One virtual service with 10,000 servers, and 1,000 with 10 each.
fn texts() -> [String; 2] {
    let reals: String = (0..10_000)
        .map(|n| format!("\treal=10.1.{}.{}:80 gate\n", n / 250, n % 250 + 1))
        .collect();
    let one = format!(
        "virtual=10.0.0.1:80\n{reals}\tchecktype=connect\n\tfallback=127.0.0.1:80\n# end\n"
    );
    let many: String = (0..1_000)
        .map(|v| {
            let reals: String = (1..=10)
                .map(|r| format!("\treal=10.{}.{}.{r}:80 gate\n", 10 + v / 250, v % 250))
                .collect();
            format!(
                "virtual=10.0.{}.{}:80\n{reals}\tchecktype=connect\n",
                v / 250,
                v % 250 + 1
            )
        })
        .collect();
    [one, format!("{many}# end\n")]
}

#[test]
fn every_server_is_added_fails_and_returns_once() {
    for text in texts() {
        let mut world = World::start(&text);
        let services = world.director.config().virtuals.len();
        let fallbacks = usize::from(services == 1);
        assert_eq!(world.batches, [services + 10_000 + fallbacks]);
        world.answer();
        assert_eq!(
            world.commands().len(),
            services + 10_000 + fallbacks + 10_000 + fallbacks
        );
        for n in 0..250 {
            world.down(&format!("10.1.7.{n}"));
            world.down(&format!("10.11.7.{n}"));
        }
        world.seconds(10);
        let failed = world.commands().len();
        assert!((10..=250).contains(&failed), "{failed}");
        world.sights.clear();
        world.seconds(10);
        assert_eq!(world.commands().len(), failed);
        // A snapshot names them all.
        let snapshot = world.director.snapshot();
        let reals = snapshot.virtuals.iter().flat_map(|service| &service.reals);
        let serving = reals.filter(|real| real.up).count();
        assert_eq!(serving, 10_000);
    }
}

#[test]
fn a_reload_with_one_change_makes_one_change_and_a_stop_one_batch() {
    let [_, text] = texts();
    let mut world = World::start(&text);
    world.answer();
    world.commands();
    world.batches.clear();
    let changed = text.replacen("10.10.7.3:80 gate", "10.10.7.3:80 gate 5", 1);
    assert_ne!(changed, text);
    world.reload(&changed);
    assert_eq!(
        world.commands(),
        ["-e -t 10.0.0.8:80 -r 10.10.7.3:80 -g -w 5"]
    );
    world.batches.clear();
    world.stop();
    assert_eq!(world.batches, [11_000]);
    assert_eq!(world.kernel, ipvs::Table::default());
}
