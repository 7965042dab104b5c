//! The steps of the demonstration, in order. Each ends when the clients are answered by whom they should be.

use std::time::Duration;

use ha_lab::Result;

use super::scene::{Director, Scene};
use super::table::Row;
use super::watch::{Goal, Watch};

const LVS1: Director = Director::Lvs1;
const LVS2: Director = Director::Lvs2;

/// A play under way.
struct Play<'a, 'w> {
    scene: &'a Scene,
    watch: &'w mut Watch<'a>,
    rows: &'w mut Vec<Row>,
}

/// Plays all steps and notes what the clients saw in each.
///
/// # Errors
/// When a step does not come to its goal in time; what has been noted until then stays.
pub(super) fn play<'a>(scene: &'a Scene, watch: &mut Watch<'a>, rows: &mut Vec<Row>) -> Result<()> {
    let mut play = Play { scene, watch, rows };
    play.start()?;
    if scene.has_real_servers() {
        play.real_servers_fail_and_return()?;
    }
    play.directors_change()
}

impl Play<'_, '_> {
    fn start(&mut self) -> Result<()> {
        let scene = self.scene;
        self.watch.headline("Both directors start heartbeat");
        self.watch.welcome(scene.first_clients()?);
        self.watch.during(|| scene.start(LVS1))?;
        self.watch.during(|| scene.start(LVS2))?;
        self.watch.until(&scene.goal(LVS1), scene.patience())?;
        self.show_table(LVS1)?;
        // A node that has just started announces a longer dead time; what comes next shall be measured without.
        self.watch.rest(scene.settling());
        Ok(())
    }

    fn real_servers_fail_and_return(&mut self) -> Result<()> {
        let scene = self.scene;
        let only_real2 = Goal {
            holder: LVS1,
            servers: vec!["real2"],
            all_of_them: true,
        };
        self.step("real1's web server dies", &only_real2, || {
            scene.stop_web("real1");
            Ok(())
        })?;
        self.show_table(LVS1)?;
        // Who has a server keeps it while he comes back within the five seconds of `persistent`: real1 gets new clients.
        self.watch
            .headline("real1's web server returns, and three more clients come");
        let begin = self.watch.now();
        self.watch.during(|| scene.start_web("real1"))?;
        self.watch.during(|| scene.until_all_have_weight(LVS1))?;
        self.watch.welcome(scene.more_clients()?);
        let both = Goal {
            all_of_them: true,
            ..scene.goal(LVS1)
        };
        let done = self.watch.until(&both, scene.patience());
        self.note("real1's web server returns", &begin);
        done?;
        self.show_table(LVS1)
    }

    fn directors_change(&mut self) -> Result<()> {
        let scene = self.scene;
        let [to_lvs1, to_lvs2] = [LVS1, LVS2].map(|which| scene.goal(which));
        self.step("lvs1 crashes (power cut)", &to_lvs2, || scene.crash(LVS1))?;
        self.step("lvs1 returns (boot, init script)", &to_lvs1, || {
            scene.boot(LVS1)
        })?;
        self.watch.rest(scene.settling());
        self.step("hb_standby on lvs1", &to_lvs2, || scene.standby(LVS1))?;
        self.watch.rest(Duration::from_secs(2));
        self.step("heartbeat -k on lvs2", &to_lvs1, || scene.stop(LVS2))
    }

    fn step(
        &mut self,
        title: &str,
        goal: &Goal,
        action: impl FnOnce() -> Result<()> + Send,
    ) -> Result<()> {
        self.watch.headline(title);
        let begin = self.watch.now();
        let patience = self.scene.patience();
        let done = self
            .watch
            .during(action)
            .and_then(|()| self.watch.until(goal, patience));
        self.note(title, &begin);
        done
    }

    fn note(&mut self, title: &str, begin: &super::watch::Beginning) {
        self.rows.push(Row {
            step: title.to_owned(),
            wait: self.watch.longest_wait_since(begin),
            served_by: self.watch.served_by(),
        });
    }

    /// What an administrator would look at, when there is something to see.
    fn show_table(&mut self, which: Director) -> Result<()> {
        if self.scene.has_real_servers() {
            self.watch.say(&format!("{} # ipvsadm -Ln", which.short()));
            print!("{}", self.scene.ipvs_table(which)?);
        }
        Ok(())
    }
}
