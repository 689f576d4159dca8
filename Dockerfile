# docker build -t normgrad .                 builds compare_norms as scripts/demo.sh does
# docker run --rm -v "$PWD/out:/normgrad/out" normgrad          runs the comparison
# docker build --target test .               builds and runs all tests as scripts/test.sh does
FROM debian:12 AS demo
WORKDIR /normgrad
COPY . .
RUN scripts/setup.sh run
RUN scripts/build.sh build compare_norms -DNORMGRAD_SIMD_UP_TO=avx512
CMD ["build/examples/compare_norms"]

FROM demo AS test
RUN scripts/test.sh

# The image that is built unless another one is named.
FROM demo
