//! Honest workloads: none may raise an alert of WARNING or above.

use anyhow::{Result, ensure};

use super::{Scenario, as_it_is};
use crate::container::{Container, Exec};
use crate::images::Image;

/// The workloads.
pub const BENIGN: &[Scenario] = &[
    Scenario {
        name: "build",
        title: "a C program is built with make and gcc below its work tree, and tested",
        image: Image::Debian,
        expected: &[],
        tolerated: &[],
        prepare: as_it_is,
        run: |container| Box::pin(build(container)),
    },
    Scenario {
        name: "web-server",
        title: "a web server answers requests",
        image: Image::Busybox,
        expected: &[],
        tolerated: &[],
        prepare: |spec, _| spec.command(&["httpd", "-f", "-h", "/var/www"]),
        run: |container| Box::pin(serve(container)),
    },
];

const SOURCES: &str = r#"
set -e
mkdir -p /build/src
cd /build
for i in 1 2 3 4; do
  printf 'int part_%d(void) { return %d; }\n' $i $i > src/part_$i.c
done
printf 'int part_1(void); int part_4(void);\nint main(void) { return part_1() + part_4() - 5; }\n' \
  > src/main.c
printf 'OBJECTS = src/main.o src/part_1.o src/part_2.o src/part_3.o src/part_4.o\n\
app: $(OBJECTS)\n\t$(CC) -o $@ $(OBJECTS)\n\
test: app\n\t./app && echo passed\n\
clean:\n\trm -f app $(OBJECTS)\n' > Makefile
"#;

async fn build(container: &Container) -> Result<()> {
    container.shell(SOURCES).await?;
    for target in ["app", "test", "clean", "test"] {
        let make = Exec::new(&["make", target]).directory("/build");
        let output = make.run(container).await?;
        ensure!(output.code == 0, "{output:?}");
    }
    Ok(())
}

async fn serve(container: &Container) -> Result<()> {
    let requests = "n=0; while [ $n -lt 50 ]; do \
                    /bin/wget -qO- http://127.0.0.1/index.html > /dev/null || /bin/sleep 0.1; \
                    n=$((n + 1)); done; /bin/wget -qO- http://127.0.0.1/index.html";
    let answer = container.shell(requests).await?;
    ensure!(answer.contains("hello"), "{answer}");
    Ok(())
}
