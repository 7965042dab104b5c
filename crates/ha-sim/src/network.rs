//! The media between the machines, and what becomes of a datagram on them.

use std::time::Duration;

use crate::plan::{Cut, Weather, millis};
use crate::random::Random;
use crate::settings::FLIGHT_MICROSECONDS;

/// Bits turned in a damaged datagram at most: a CRC-32 finds any three in so short a text.
const BITS_MAX: u64 = 3;

/// One copy that will arrive.
pub(crate) struct Copy {
    /// How long it takes.
    pub(crate) flight: Duration,
    /// These bits are turned.
    pub(crate) turned: Vec<usize>,
}

/// The state of all media.
pub(crate) struct Network {
    random: Random,
    nodes: usize,
    /// By medium, sender, receiver: how many faults cut it.
    cuts: Vec<u32>,
    weathers: Vec<Weather>,
    /// By path: how long a datagram takes that nothing happens to, so that they keep their order; none where each takes its
    /// own time.
    steady: Option<Vec<Duration>>,
}

impl Network {
    pub(crate) fn new(nodes: usize, media: usize, random: Random) -> Network {
        Network {
            random,
            nodes,
            cuts: vec![0; media * nodes * nodes],
            weathers: Vec::new(),
            steady: None,
        }
    }

    /// What is sent in one go arrives in its order, unless something happens to it, as on the segments of the real ones: the
    /// legacy takes whatever comes last for the latest word (`docs/compatibility.md`), and would hardly have had users if
    /// every cable turned its words round.
    pub(crate) fn keep_order(&mut self) {
        let (least, most) = FLIGHT_MICROSECONDS;
        let paths = self.cuts.len();
        let flight = |_| Duration::from_micros(least + self.random.below(most - least));
        self.steady = Some((0..paths).map(flight).collect());
    }

    fn place(&self, cut: Cut) -> usize {
        (cut.medium * self.nodes + cut.from) * self.nodes + cut.to
    }

    pub(crate) fn cut(&mut self, cuts: &[Cut]) {
        for &cut in cuts {
            let place = self.place(cut);
            self.cuts[place] += 1;
        }
    }

    pub(crate) fn mend(&mut self, cuts: &[Cut]) {
        for &cut in cuts {
            let place = self.place(cut);
            self.cuts[place] -= 1;
        }
    }

    pub(crate) fn worsen(&mut self, weather: Weather) {
        self.weathers.push(weather);
    }

    pub(crate) fn improve(&mut self, weather: Weather) {
        if let Some(index) = self.weathers.iter().position(|known| *known == weather) {
            self.weathers.remove(index);
        }
    }

    /// What arrives of one datagram of so many octets: nothing, one copy, or two.
    pub(crate) fn carry(&mut self, path: Cut, length: usize, mut arrives: impl FnMut(Copy)) {
        if self.cuts[self.place(path)] > 0 {
            return;
        }
        let own = path.from == path.to;
        let weather = match own {
            true => Weather::default(),
            false => self.worst(),
        };
        if weather.loss > 0 && self.random.percent(weather.loss) {
            return;
        }
        arrives(self.copy(path, weather, length));
        if weather.duplicate > 0 && self.random.percent(weather.duplicate) {
            arrives(self.copy(path, weather, length));
        }
    }

    fn copy(&mut self, path: Cut, weather: Weather, length: usize) -> Copy {
        let (least, most) = FLIGHT_MICROSECONDS;
        let mut flight = match &self.steady {
            Some(steady) => steady[self.place(path)],
            None => Duration::from_micros(least + self.random.below(most - least)),
        };
        if weather.late > 0 && self.random.percent(weather.late) {
            flight += Duration::from_millis(self.random.below(millis(weather.delay)));
        }
        let mut turned = Vec::new();
        if weather.corrupt > 0 && self.random.percent(weather.corrupt) {
            for _ in 0..1 + self.random.below(BITS_MAX) {
                let bit = self.random.index(length * 8);
                if !turned.contains(&bit) {
                    turned.push(bit);
                }
            }
        }
        Copy { flight, turned }
    }

    fn worst(&self) -> Weather {
        self.weathers
            .iter()
            .fold(Weather::default(), |worst, weather| Weather {
                loss: worst.loss.max(weather.loss),
                duplicate: worst.duplicate.max(weather.duplicate),
                corrupt: worst.corrupt.max(weather.corrupt),
                late: worst.late.max(weather.late),
                delay: worst.delay.max(weather.delay),
            })
    }
}
