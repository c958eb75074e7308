module planted.example/calls

go 1.26.0
