fn main() {
    let from: u64 = std::env::args().nth(1).map_or(0, |a| a.parse().unwrap());
    let n: u64 = std::env::args().nth(2).map_or(100, |a| a.parse().unwrap());
    let start = std::time::Instant::now();
    let mut by = std::collections::BTreeMap::new();
    let mut t = 0;
    let mut d = 0;
    for seed in from..from + n {
        let o = forebay_sim::replay::live(seed, None, n == 1);
        t += o.tally.events;
        d += o.tally.deliveries;
        if n == 1 {
            println!("{}", o.trace);
        }
        if let Some(b) = o.broken {
            by.entry(b.promise).or_insert(vec![]).push((seed, b.how, o.tally.events));
        }
    }
    for (p, v) in by {
        println!("{p}: {}", v.len());
        let mut v = v;
        v.sort_by_key(|x| x.2);
        for x in v.iter().take(4) {
            println!("   {x:?}");
        }
    }
    println!("{:?} events {t} deliveries {d}", start.elapsed());
}
